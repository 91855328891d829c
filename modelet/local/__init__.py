"""The service on one machine: API Gateway, Lambda's Runtime API and its environments over the real handlers.

A request goes from `gateway`, which makes a genuine payload 2.0 event of it, through `router` to a
`function`, and from there over `runtime_api` on loopback into an `environment`: a process of
`python -m awslambdaric handler.handler`, exactly as in the container image.
"""
