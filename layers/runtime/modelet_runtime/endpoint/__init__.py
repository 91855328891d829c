"""The graph on somebody else's machine: a SageMaker endpoint with Triton behind it.

wire     tensors to Triton's binary form and back
faults   what can go wrong there, as errors of ours
breaker  does not ask an endpoint again that has just failed
retry    asks again, after a random pause, while there is time
client   one call of the SageMaker runtime API
session  all of them together, as a `Session`
shield   the endpoint, and its twin on the CPU while the endpoint cannot answer
"""

from modelet_runtime.endpoint.session import EndpointSession
from modelet_runtime.endpoint.shield import ShieldedSession

__all__ = ["EndpointSession", "ShieldedSession"]
