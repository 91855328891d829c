"""The default input: a record, a row or a bare value becomes one tensor per graph input."""

from collections.abc import Mapping, Sequence
from itertools import chain
from math import nan, prod
from typing import Any

from modelet_runtime.errors import (
    DatatypeMismatch,
    InvalidRequest,
    MissingTensor,
    ShapeMismatch,
    UnknownTensor,
)
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps.b64 import from_b64, is_b64
from modelet_runtime.steps.base import Cell, Value
from modelet_runtime.steps.widen import WIDER, widened
from modelet_runtime.tensor import DATATYPES, Datatype, Tensor

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def to_inputs(specs: Mapping[str, TensorSpec], value: Value) -> dict[str, Tensor]:
    """Turn one value into the graph's inputs.

    Args:
        specs: The inputs by name, without the batch axis.
        value: `{input: value}`; as many values as inputs, in graph order; or, for a single input,
            its value alone.

    Raises:
        ClientError: (400) An input is missing, unknown or not of its datatype and shape.
    """
    if isinstance(value, Mapping) and not is_b64(value):
        return _by_name(specs, value)
    if len(specs) == 1:
        return {name: to_tensor(spec, value) for name, spec in specs.items()}
    values = list(value.values()) if isinstance(value, Tensor) else value
    if not isinstance(values, (list, tuple)) or len(values) != len(specs):
        raise InvalidRequest("record", f"an object with {', '.join(specs)}", _shortly(value))
    return {name: to_tensor(spec, item) for (name, spec), item in zip(specs.items(), values, strict=True)}


def to_tensor(spec: TensorSpec, value: Value) -> Tensor:
    """Turn one value into a tensor.

    Args:
        spec: The input, without the batch axis.
        value: A scalar, nested or flat lists of scalars, or a tensor. Scalars are numbers, booleans,
            text, bytes or `{"b64": ...}`; `None` and an empty `Cell` are NaN where the input is floating.

    Raises:
        DatatypeMismatch: (400) A value is not of the input's datatype.
        ShapeMismatch: (400) The lists do not have its shape; axes of size 1 in front may be left out.
    """
    datatype = DATATYPES[spec.datatype]
    if isinstance(value, Tensor):
        shape = _fitting(spec, value.shape)
        if value.datatype is datatype:
            return Tensor(spec.name, datatype, shape, value.data)
        if value.datatype.name == "UINT8" and spec.datatype in WIDER:
            return Tensor(spec.name, datatype, shape, widened(value.buffer, datatype))
        values: Sequence[Any] = list(value.values())
    else:
        given, values = _flatten(spec, value)
        shape = _fitting(spec, given)
    return Tensor.from_values(spec.name, datatype, shape, _converted(spec.name, datatype, values))


def _by_name(specs: Mapping[str, TensorSpec], record: Mapping[str, Value]) -> dict[str, Tensor]:
    for name in record:
        if name not in specs:
            raise UnknownTensor("input", name, specs)
    for name in specs:
        if name not in record:
            raise MissingTensor(name, record)
    return {name: to_tensor(spec, record[name]) for name, spec in specs.items()}


def _flatten(spec: TensorSpec, value: Value) -> tuple[tuple[int, ...], Sequence[Any]]:
    """Measure nested lists level by level, so that depth costs no recursion."""
    shape: tuple[int, ...] = ()
    level: Sequence[Any] = [value]
    while level and isinstance(level[0], (list, tuple)):
        width = len(level[0])
        if any(not isinstance(item, (list, tuple)) or len(item) != width for item in level):
            raise ShapeMismatch(spec.name, spec.shape, "lists of unequal length or depth")
        shape += (width,)
        level = level[0] if len(level) == 1 else list(chain.from_iterable(level))
    return shape, level


def _fitting(spec: TensorSpec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape a value of `shape` takes as this input."""
    wanted = spec.shape
    omitted = len(wanted) - len(shape)
    if omitted >= 0 and all(size in (1, -1) for size in wanted[:omitted]):
        rest = zip(wanted[omitted:], shape, strict=True)
        if all(size in (-1, actual) for size, actual in rest):
            return (1,) * omitted + shape
    if len(shape) == 1 and -1 not in wanted and prod(wanted) == shape[0]:
        return wanted
    raise ShapeMismatch(spec.name, wanted, shape)


def _converted(name: str, datatype: Datatype, values: Sequence[Any]) -> Sequence[Any]:
    """Values as `Tensor.from_values` takes them; whole kinds are looked at, not each value."""
    kinds = set(map(type, values))
    if kinds <= _TAKEN[_family(datatype)]:
        return values
    if list in kinds or tuple in kinds:
        raise ShapeMismatch(name, "lists of equal depth", "lists of unequal depth")
    return [_scalar(name, datatype, value) for value in values]


def _scalar(name: str, datatype: Datatype, value: Any) -> Any:
    family = _family(datatype)
    if type(value) in _TAKEN[family]:
        return value
    if value is None and family == "float":
        return nan
    if family == "bytes" and is_b64(value):
        return from_b64(value)
    if isinstance(value, Cell):
        try:
            return _READ[family](value)
        except (ValueError, KeyError) as error:
            raise DatatypeMismatch(name, datatype.name, f"cell {_shortly(value)}") from error
    raise DatatypeMismatch(name, datatype.name, _shortly(value))


def _family(datatype: Datatype) -> str:
    if datatype.is_float:
        return "float"
    return {"BYTES": "bytes", "BOOL": "bool"}.get(datatype.name, "int")


def _read_float(cell: str) -> float:
    return float(cell) if cell.strip() else nan


def _read_int(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        number = float(cell)  # a table tool writes integers next to missing values as 3.0
        if not number.is_integer():
            raise
        return int(number)


def _read_bool(cell: str) -> bool:
    return _TRUTHS[cell.strip().lower()]


_TAKEN: Mapping[str, frozenset[type]] = {
    "float": frozenset({float, int, bool}),
    "int": frozenset({int, bool}),
    "bool": frozenset({bool}),
    "bytes": frozenset({str, bytes, Cell}),
}
_READ = {"float": _read_float, "int": _read_int, "bool": _read_bool}


def _shortly(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:40] + '...'}"
