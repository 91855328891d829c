"""What a step is: pure functions between a body as people have it and the graph's tensors.

A step has two halves. Its class is a frozen dataclass of parameters, documented and checked without
any library being there, so the toolchain can read a `model.toml` on a machine that could not run it.
`bind` then makes the function that runs, and imports what it needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from modelet_runtime.manifest import Manifest, TensorSpec
from modelet_runtime.tensor import Tensor

if TYPE_CHECKING:
    from modelet_runtime.steps.hook import Hooks

# What a body was parsed to: bytes (an image, any file), text, a JSON value (a record, a row), a `Cell`
# of a table or a `Tensor` (a row of an array).
Value = Any
# What people read: any JSON-serialisable value.
Answer = Any


class Cell(str):
    """The text of one cell of a table: the input it is for decides whether it is a number."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Padding:
    """How a tensor's first axis is made longer at its end, so that rows of unequal length fit one batch.

    Attributes:
        value: What the new elements are.
    """

    value: int | float


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row, ready for the graph.

    Attributes:
        tensors: A tensor per graph input, without the batch axis where the graph has one.
        context: Whatever `decode` needs to know of this row.
        padding: Inputs whose first axis may be made longer without changing the answer, because a
            mask among the inputs tells the graph what is padding. The others never are.
    """

    tensors: Mapping[str, Tensor]
    context: Any = None
    padding: Mapping[str, Padding] = field(default_factory=dict)


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

    def rows(self, document: Value) -> Sequence[Value] | None:
        """The rows that one JSON document stands for; None if it is one row itself."""
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


class Model:
    """What steps are bound to: the manifest, the version folder and the graph's rows.

    Attributes:
        manifest: What the built version is.
        folder: Its version folder, with the assets and hooks.
    """

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self.manifest = manifest
        self.folder = folder

    @cached_property
    def inputs(self) -> dict[str, TensorSpec]:
        """The graph's inputs by name, without the batch axis where the graph has one."""
        return self._rows(self.manifest.signature.inputs)

    @cached_property
    def outputs(self) -> dict[str, TensorSpec]:
        """The graph's outputs by name, without the batch axis where the graph has one."""
        return self._rows(self.manifest.signature.outputs)

    @cached_property
    def hooks(self) -> "Hooks":
        """The model's own `hooks.py`, loaded once for the input and the output side."""
        from modelet_runtime.steps.hook import load  # noqa: PLC0415 (only models with hooks pay for it)

        return load(self.manifest, self.folder)

    def _rows(self, specs: tuple[TensorSpec, ...]) -> dict[str, TensorSpec]:
        start = 1 if self.manifest.signature.has_batch_axis else 0
        return {spec.name: TensorSpec(spec.name, spec.datatype, spec.shape[start:]) for spec in specs}


class Encode(Protocol):
    """An input step bound to a model."""

    def __call__(self, value: Value) -> Value | Encoded | Answered:
        """Turn a value into one nearer to the graph, into the graph's inputs, or into the answer."""
        ...


class Decode(Protocol):
    """An output step bound to a model."""

    def __call__(self, outputs: Any, context: Any) -> Answer:
        """Turn outputs by name (the first step) or the previous step's answer into an answer."""
        ...


class Step(Protocol):
    """A step's class: its fields are its parameters, its docstring their documentation.

    `__post_init__` raises ValueError for a value the annotations cannot exclude.

    Attributes:
        layers: Option layers the bound step imports from, such as `image`.
    """

    layers: ClassVar[tuple[str, ...]]


class InputStep(Step, Protocol):
    """A step in front of the graph.

    It replaces what it reads, a bare value or fields of a record, by tensors under the names of the
    inputs they are for, and leaves the record's other fields to the steps behind it.
    """

    @property
    def assets(self) -> tuple[str, ...]:
        """The files of the version folder that the step reads."""
        return ()

    def rows(self, document: Value) -> Sequence[Value] | None:
        """The rows that one JSON document stands for; None if it is one row itself."""
        return records(document)

    def media_types(self, model: Model) -> tuple[str, ...]:
        """The media types the step takes, most specific first."""
        ...

    def bind(self, model: Model) -> Encode:
        """Make the function that encodes.

        Raises:
            ArtifactError: The step does not fit the model.
        """
        ...


class OutputStep(Step, Protocol):
    """A step behind the graph."""

    def bind(self, model: Model) -> Decode:
        """Make the function that decodes.

        Raises:
            ArtifactError: The step does not fit the model.
        """
        ...


def records(document: Value) -> Sequence[Value] | None:
    """The rows of a list of objects; None if it is anything else."""
    is_records = isinstance(document, list) and bool(document) and all(type(row) is dict for row in document)
    return document if is_records else None
