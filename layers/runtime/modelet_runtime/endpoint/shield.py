"""The endpoint where it answers, its twin on the CPU where it cannot: never minutes of errors."""

from collections.abc import Callable, Sequence
from functools import cached_property

from modelet_runtime.endpoint.faults import EndpointUnavailable
from modelet_runtime.manifest import Signature
from modelet_runtime.session import Session, served_by
from modelet_runtime.tensor import Tensor

CPU = "cpu"


class ShieldedSession:
    """Asks the endpoint, and the twin while the endpoint wakes, rests or is gone.

    Args:
        endpoint: Who is meant to answer.
        load_twin: Makes the session of the same model on the CPU, when it is first needed.
    """

    def __init__(self, endpoint: Session, load_twin: Callable[[], Session]) -> None:
        self._endpoint = endpoint
        self._load_twin = load_twin

    @cached_property
    def _twin(self) -> Session:
        return self._load_twin()

    @property
    def signature(self) -> Signature:
        """The graph's inputs and outputs, which both share."""
        return self._endpoint.signature

    def run(
        self,
        inputs: Sequence[Tensor],
        output_names: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[Tensor]:
        """Run the graph once, over there or here; `served_by` says so if it was here."""
        try:
            return self._endpoint.run(inputs, output_names, timeout_s)
        except EndpointUnavailable:
            outputs = self._twin.run(inputs, output_names, timeout_s)
            served_by.set(CPU)
            return outputs
