"""A `Session` whose graph runs behind an endpoint: everything above it is as on the CPU."""

from collections.abc import Sequence
from time import monotonic

from modelet_runtime.endpoint.breaker import Breaker
from modelet_runtime.endpoint.client import Client
from modelet_runtime.endpoint.faults import EndpointUnavailable
from modelet_runtime.endpoint.retry import Retry
from modelet_runtime.endpoint.wire import Wire
from modelet_runtime.errors import DeadlineExceeded, InferenceRejected
from modelet_runtime.manifest import Signature
from modelet_runtime.tensor import Tensor

# Without a deadline of its own a request waits as long as API Gateway does.
_DEFAULT_S = 29.0
# A caller with less patience than this says nothing about the endpoint when it gives up.
_PATIENT_S = 5.0


class EndpointSession:
    """Runs a graph by asking an endpoint. Safe to call from several threads.

    Args:
        signature: As the manifest has it: the endpoint is asked for inferences only.
        client: Asks once.
        retry: How often to ask.
        breaker: When not to ask.
    """

    def __init__(
        self,
        signature: Signature,
        client: Client,
        retry: Retry | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self._signature = signature
        self._client = client
        self._wire = Wire(signature)
        self._retry = retry or Retry()
        self._breaker = breaker or Breaker()

    @property
    def signature(self) -> Signature:
        """The graph's inputs and outputs."""
        return self._signature

    def run(
        self,
        inputs: Sequence[Tensor],
        output_names: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[Tensor]:
        """Run the graph once, over there.

        Raises:
            InferenceRejected: (400) The graph cannot take these values.
            EndpointUnavailable: (503) The endpoint cannot answer now.
            DeadlineExceeded: (504) `timeout_s` passed.
        """
        deadline_s = monotonic() + (_DEFAULT_S if timeout_s is None else timeout_s)

        def left_s() -> float:
            return deadline_s - monotonic()

        body, media_type = self._wire.request(inputs, output_names)

        def ask() -> list[Tensor]:
            return self._ask(body, media_type, output_names, left_s())

        return self._retry.run(ask, left_s)

    def _ask(
        self, body: bytes, media_type: str, output_names: Sequence[str] | None, timeout_s: float
    ) -> list[Tensor]:
        """Ask once, if the breaker lets us, and tell it what came of it."""
        if timeout_s <= 0:
            raise DeadlineExceeded("the deadline passed before the endpoint was asked")
        self._breaker.check()
        try:
            reply = self._client.invoke(body, media_type, timeout_s)
            outputs = self._wire.answer(reply.body, reply.media_type, output_names)
        except EndpointUnavailable:
            self._breaker.failed()
            raise
        except DeadlineExceeded:
            if timeout_s >= _PATIENT_S:
                self._breaker.failed()
            raise
        except InferenceRejected:
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return outputs
