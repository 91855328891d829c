"""A tensor at the edge of the graph, as the steps there see it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import onnx

from modelet_runtime.tensor import BY_ONNX_TYPE, Datatype

Dim = int | str


class Misfit(Exception):
    """A step does not fit the graph; the text names the tensor, what is expected and what is there."""


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output of the graph, between two steps.

    Attributes:
        tensor: Its name inside the graph.
        datatype: Its element type.
        dims: Its dimensions; a variable one by its name.
        classes: For class numbers, how many classes there are, where that is known.
    """

    tensor: str
    datatype: Datatype
    dims: tuple[Dim, ...]
    classes: int | None = None

    @classmethod
    def of(cls, info: onnx.ValueInfoProto) -> Self:
        """Read an input or output of a graph."""
        dims = info.type.tensor_type.shape.dim
        return cls(
            info.name,
            BY_ONNX_TYPE[info.type.tensor_type.elem_type],
            tuple(
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param or f"{info.name}_{axis}"
                for axis, dim in enumerate(dims)
            ),
        )

    def info(self, name: str) -> onnx.ValueInfoProto:
        """As an input or output of a graph."""
        return onnx.helper.make_tensor_value_info(name, self.datatype.onnx_type, self.dims)

    def at(self, tensor: str) -> Self:
        """The same, held by another tensor of the graph."""
        return replace(self, tensor=tensor)

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.dims)

    def __str__(self) -> str:
        sizes = ("?" if isinstance(size, str) else str(size) for size in self.dims)
        return f"{self.datatype.name}[{','.join(sizes)}]"


class Values(dict[str, Value]):
    """All inputs or all outputs by their names, in graph order."""

    def __init__(self, kind: str, infos: Sequence[onnx.ValueInfoProto]) -> None:
        super().__init__((info.name, Value.of(info)) for info in infos)
        self._kind = kind

    def pick(
        self,
        name: str | None,
        wanted: str,
        fits: Callable[[Value], bool],
        parameter: str | None = None,
    ) -> str:
        """Find the value that a step applies to: the named one, else the only one that fits.

        Args:
            name: Its name, or None.
            wanted: What fits, in words.
            fits: Whether a value fits.
            parameter: The step's parameter that names it; by default `input` or `output`.

        Raises:
            Misfit: There is no such value, it does not fit, or several fit and none is named.
        """
        parameter = parameter or self._kind
        if name is None:
            fitting = [name for name, value in self.items() if fits(value)]
            if len(fitting) != 1:
                remedy = f": name one with {parameter}" if fitting else ""
                raise Misfit(f"expected one {self._kind} of {wanted}, the model has {self}{remedy}")
            return fitting[0]
        if name not in self:
            raise Misfit(f"{parameter}: there is no {self._kind} '{name}', the model has {self}")
        if not fits(self[name]):
            raise Misfit(f"{self._kind} '{name}': expected {wanted}, got {self[name]}")
        return name

    def swap(self, old: str, new: "dict[str, Value]", keep: bool = False) -> None:
        """Put other values in the place of one.

        Args:
            old: What is replaced.
            new: What takes its place, by name.
            keep: Whether the old one stays in front of them.

        Raises:
            Misfit: A name is taken.
        """
        items = list(self.items())
        place = next(index for index, (name, _) in enumerate(items) if name == old)
        others = {name for name in self if keep or name != old}
        for name in new:
            if name in others:
                raise Misfit(f"there is an {self._kind} '{name}' already: give this one another name")
        items[place : place + (not keep)] = items[place : place + 1] * keep + list(new.items())
        self.clear()
        self.update(items)

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.items()) or "none"
