"""The one seam: whatever runs the graph, in this process or behind an endpoint."""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol

from modelet_runtime.manifest import Signature
from modelet_runtime.tensor import Tensor

# Who answers in place of an endpoint.
CPU = "cpu"
# Who ran the graph of the current request, where it was not whom the model is meant for.
served_by: ContextVar[str | None] = ContextVar("served_by", default=None)


class Session(Protocol):
    """Runs a graph. Safe to call from several threads."""

    @property
    def signature(self) -> Signature:
        """The inputs and outputs as the graph itself declares them."""
        ...

    def run(
        self,
        inputs: Sequence[Tensor],
        output_names: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[Tensor]:
        """Run the graph once.

        Args:
            inputs: One tensor per input of the signature, in any order, already validated.
            output_names: The outputs to compute, in the order to return them; all by default.
            timeout_s: Stop the run after this many seconds.

        Returns:
            The outputs; their buffers stay valid as long as the tensors are referenced.

        Raises:
            InferenceRejected: (400) The graph cannot take these values.
            DeadlineExceeded: (504) `timeout_s` passed.
            InferenceFailed: (500) The engine failed for a reason outside the request.
        """
        ...
