"""JSON to tensors and back, without numpy: orjson parses and writes, `struct` packs.

Numbers pass through one flat Python list on their way to the tensor's buffer. Decision 0020 has
the figures of the parsers that were compared.
"""

import json
import math
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

import orjson

from modelet_runtime.errors import DatatypeMismatch, InvalidRequest, LengthMismatch
from modelet_runtime.tensor import Datatype, Tensor

# The types orjson gives for the values a datatype takes. `bool` is left out of the numbers on
# purpose: struct would pack it as 0 or 1.
_INTEGERS = frozenset({int})
_FLOATS = frozenset({int, float})
_FLOATS_OR_NULL = frozenset({int, float, type(None)})
_KINDS = {"BOOL": frozenset({bool}), "BYTES": frozenset({str})}

_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number with a fraction",
    type(None): "null",
}


def loads(body: bytes | memoryview) -> Any:
    """Parse a JSON body; bare `NaN`, `Infinity` and `-Infinity` are allowed.

    Raises:
        InvalidRequest: (400) The body is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        text = bytes(body)
        if b"NaN" in text or b"Infinity" in text:
            return _loads_leniently(text)
        raise InvalidRequest("body", "JSON", str(error)) from error


def _loads_leniently(body: bytes) -> Any:
    """Parse with the standard library, which knows the tokens that orjson refuses."""
    try:
        document = json.loads(body)
        orjson.dumps(document)  # what else the standard library lets pass: lone surrogates, huge integers
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidRequest("body", "JSON", str(error)) from error
    return document


def dumps(document: object) -> bytes:
    """Write JSON; numbers that are not finite become null."""
    return orjson.dumps(document)


def kind_of(value: object) -> str:
    """What JSON calls a parsed value, for messages."""
    return _JSON_NAMES.get(type(value), type(value).__name__)


def read_object(body: bytes | memoryview) -> dict[str, Any]:
    """Parse a body that has to be a JSON object.

    Raises:
        InvalidRequest: (400) The body is not JSON, or is JSON of another kind.
    """
    document = loads(body)
    if type(document) is not dict:
        raise InvalidRequest("body", "a JSON object", kind_of(document))
    return document


def flatten(name: str, data: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Flatten nested lists, row-major.

    Args:
        name: What the data is called in errors.
        data: A value, a list of values, or lists nested to any depth.

    Returns:
        The values, and the shape of the nesting; `()` for a bare value.

    Raises:
        LengthMismatch: (400) Lists of one level differ in length, or mix with values.
    """
    if type(data) is not list:
        return [data], ()
    shape = [len(data)]
    while data and type(data[0]) is list:
        length = len(data[0])
        for item in data:
            if type(item) is not list or len(item) != length:
                actual = f"one of {len(item)}" if type(item) is list else kind_of(item)
                raise LengthMismatch(name, f"{length}, as of the first list at level {len(shape)}", actual)
        shape.append(length)
        data = list(chain.from_iterable(data))
    return data, tuple(shape)


def pack(name: str, datatype: Datatype, shape: Sequence[int], values: list[Any]) -> Tensor:
    """Pack flat values that came out of `loads` into a tensor.

    Args:
        name: The tensor's name.
        datatype: Its datatype, which must have a JSON form.
        shape: Its dimensions.
        values: As many values as the shape has elements; null is NaN where floats are.

    Raises:
        DatatypeMismatch: (400) A value is of another kind, or outside the datatype's range.
        LengthMismatch: (400) There are more or fewer values than the shape says.
        InvalidRequest: (400) The datatype has no JSON form.
    """
    if not datatype.has_json:
        raise InvalidRequest(
            f"tensor '{name}'", f"{datatype.name} in binary form", "JSON, which cannot hold it"
        )
    if len(values) != math.prod(shape):
        raise LengthMismatch(name, f"{math.prod(shape)} elements for shape {list(shape)}", len(values))
    kinds = set(map(type, values))
    if datatype.is_float:
        if not kinds <= _FLOATS:
            _refuse_other_kinds(name, datatype, values, kinds - _FLOATS_OR_NULL)
            values = [math.nan if value is None else value for value in values]
    else:
        _refuse_other_kinds(name, datatype, values, kinds - _KINDS.get(datatype.name, _INTEGERS))
    if datatype.name in _KINDS:
        return Tensor.from_values(name, datatype, shape, values)
    try:
        packed = struct.pack(f"<{len(values)}{datatype.format}", *values)
    except (struct.error, OverflowError) as error:
        raise DatatypeMismatch(name, datatype.name, f"a value outside its range ({error})") from error
    return Tensor.from_buffer(name, datatype, shape, packed)


def _refuse_other_kinds(name: str, datatype: Datatype, values: list[Any], others: set[type]) -> None:
    if others:
        index, value = next((i, value) for i, value in enumerate(values) if type(value) in others)
        raise DatatypeMismatch(name, datatype.name, f"{kind_of(value)} at index {index}")


def unpack(tensor: Tensor) -> tuple[list[Any], int]:
    """Turn a tensor into flat values that `dumps` can write.

    Returns:
        The values, row-major, and how many of them are NaN or infinite, which are written as null.

    Raises:
        InvalidRequest: (400) The tensor has no JSON form: 16-bit floats, or bytes that are no text.
    """
    if isinstance(tensor.data, tuple):
        return _texts(tensor), 0
    if not tensor.datatype.has_json:
        raise _needs_binary(tensor, f"{tensor.datatype.name}, which JSON cannot hold")
    values: list[Any] = tensor.data.cast(tensor.datatype.format).tolist()  # type: ignore[call-overload]
    if not tensor.datatype.is_float or math.isfinite(sum(values)):
        return values, 0
    return values, len(values) - sum(map(math.isfinite, values))


def _texts(tensor: Tensor) -> list[str]:
    try:
        return [element.decode() for element in tensor.elements]
    except UnicodeDecodeError as error:
        raise _needs_binary(tensor, "bytes that are not UTF-8") from error


def _needs_binary(tensor: Tensor, actual: str) -> InvalidRequest:
    return InvalidRequest(f"output '{tensor.name}'", "parameters.binary_data true", f"JSON for {actual}")
