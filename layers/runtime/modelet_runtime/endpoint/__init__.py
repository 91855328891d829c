"""The graph on somebody else's machine: a SageMaker endpoint with Triton behind it.

wire           tensors to Triton's binary form and back
faults         what can go wrong there, as errors of ours
breaker        does not ask an endpoint again that has just failed
retry          asks again, after a random pause, while there is time
api            clients of AWS
client         one call of the SageMaker runtime API whose answer is waited for
session        all of them together, as a `Session`
queue          calls whose answers come to S3
async_session  a `Session` over them, for jobs
presence       whether an endpoint has an instance
shield         an endpoint, and its twin on the CPU while the endpoint cannot answer
"""

from modelet_runtime.endpoint.async_session import AsyncEndpointSession
from modelet_runtime.endpoint.session import EndpointSession
from modelet_runtime.endpoint.shield import AsyncShieldedSession, ShieldedSession

__all__ = ["AsyncEndpointSession", "AsyncShieldedSession", "EndpointSession", "ShieldedSession"]
