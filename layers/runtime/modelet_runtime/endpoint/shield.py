"""The endpoint where it answers, its twin on the CPU where it cannot: never minutes of errors."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from time import monotonic

from modelet_runtime.endpoint.async_session import AsyncEndpointSession
from modelet_runtime.endpoint.faults import EndpointUnavailable
from modelet_runtime.endpoint.presence import Presence
from modelet_runtime.jobs.context import current_job
from modelet_runtime.manifest import Signature
from modelet_runtime.session import CPU, Session, served_by
from modelet_runtime.tensor import Tensor

# An endpoint that is woken takes minutes, and one request in its queue is enough.
_WAKE_S = 60.0


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


class AsyncShieldedSession:
    """Leaves runs to an endpoint's queue, but lets the twin answer who waits while nobody takes from it.

    Jobs always go to the queue.

    Args:
        endpoint: Who is meant to answer.
        presence: Whether it has an instance.
        load_twin: Makes the session of the same model on the CPU, when it is first needed.
        now_s: A clock.
    """

    def __init__(
        self,
        endpoint: AsyncEndpointSession,
        presence: Presence,
        load_twin: Callable[[], Session],
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._presence = presence
        self._load_twin = load_twin
        self._now_s = now_s
        self._woken_s: float | None = None

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
        if current_job.get() is not None or not self._presence.is_away():
            return self._endpoint.run(inputs, output_names, timeout_s)
        outputs = self._twin.run(inputs, output_names, timeout_s)
        served_by.set(CPU)
        self._wake(inputs, output_names)
        return outputs

    def _wake(self, inputs: Sequence[Tensor], output_names: Sequence[str] | None) -> None:
        """Have the endpoint come up for the next caller; this one has an answer whatever becomes of it."""
        now_s = self._now_s()
        if self._woken_s is None or now_s - self._woken_s >= _WAKE_S:
            self._woken_s = now_s
            with suppress(EndpointUnavailable):
                self._endpoint.wake(inputs, output_names)
