"""A GPU endpoint on a laptop: a real Triton server on the CPU, behind SageMaker's runtime API.

installation  where the server is, if it is here
server        the server's process, over a model repository
faults        what can go wrong at an endpoint, to be asked for
sagemaker     the API that boto3 calls: states, scaling to zero and back, real-time and asynchronous
endpoints     all of it, for the models of a service
"""
