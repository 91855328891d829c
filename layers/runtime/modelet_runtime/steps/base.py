"""What a step is: pure functions between a body as people have it and the graph's tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from modelet_runtime.tensor import Tensor

# What a body was parsed to: bytes (an image, any file), text, or a JSON value (a record, a row).
Value = Any
# What people read: any JSON-serialisable value.
Answer = Any


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row, ready for the graph.

    Attributes:
        tensors: A tensor per graph input, without the batch axis where the graph has one.
        context: Whatever `decode` needs to know of this row.
    """

    tensors: Mapping[str, Tensor]
    context: Any = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A row whose answer is known without running the graph, such as an empty file's type."""

    answer: Answer


class Pipeline(Protocol):
    """A model's steps, put together: what the predictor calls around the session."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types of bodies the input steps take, most specific first."""
        ...

    def encode(self, value: Value) -> Encoded | Answered:
        """Turn one value into the graph's inputs.

        Raises:
            ClientError: (4xx) The value is not what the steps take.
        """
        ...

    def decode(self, outputs: Mapping[str, Tensor], context: Any) -> Answer:
        """Turn one row of the graph's outputs, without the batch axis, into an answer."""
        ...
