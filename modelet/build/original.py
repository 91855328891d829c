"""The model as it was before the build: what every artifact is compared with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from modelet_runtime.tensor import Tensor

if TYPE_CHECKING:
    import onnx


class Original(Protocol):
    """A model in the framework it came from.

    Attributes:
        kind: The converter's name, such as `onnx` or `sklearn`.
    """

    kind: str

    def export(self) -> "onnx.ModelProto":
        """Convert to ONNX; the graph is not checked yet."""
        ...

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Answer as the framework itself does, in the exported graph's order of outputs."""
        ...
