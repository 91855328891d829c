"""The fields of an Open Inference request.

Each is of the kind it has to be, or is refused by its name with an `InvalidRequest` (400).
"""

from typing import Any

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.protocols.json_codec import kind_of


def read_objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Read a list of objects."""
    items = document.get(key)
    if type(items) is not list:
        raise InvalidRequest(key, "a list of objects", kind_of(items))
    for item in items:
        if type(item) is not dict:
            raise InvalidRequest(key, "a list of objects", f"{kind_of(item)} in it")
    return items


def read_parameters(document: dict[str, Any], where: str) -> dict[str, Any]:
    """Read the `parameters` of a request, an input or an output; none is an empty object."""
    parameters = document.get("parameters")
    if parameters is None:
        return {}
    if type(parameters) is not dict:
        raise InvalidRequest(f"{where}: parameters", "an object", kind_of(parameters))
    return parameters


def read_text(document: dict[str, Any], key: str, where: str) -> str:
    """Read a string."""
    value = document.get(key)
    if type(value) is not str:
        raise InvalidRequest(f"{where}: {key}", "a string", kind_of(value))
    return value


def read_shape(item: dict[str, Any], name: str) -> tuple[int, ...]:
    """Read the shape of an input, with all sizes known."""
    shape = item.get("shape")
    if type(shape) is not list or not all(type(size) is int and size >= 0 for size in shape):
        actual = str(shape) if type(shape) is list else kind_of(shape)
        raise InvalidRequest(f"input '{name}': shape", "a list of sizes, none negative", actual)
    return tuple(shape)


def read_flag(parameters: dict[str, Any], key: str, *, default: bool) -> bool:
    """Read a parameter that is true or false."""
    value = parameters.get(key, default)
    if type(value) is not bool:
        raise InvalidRequest(f"parameters.{key}", "true or false", kind_of(value))
    return value


def read_count(parameters: dict[str, Any], key: str) -> int:
    """Read a parameter that counts something; 0 if it is not there."""
    value = parameters.get(key, 0)
    if type(value) is not int or value < 0:
        actual = str(value) if type(value) is int else kind_of(value)
        raise InvalidRequest(f"parameters.{key}", "an integer, not negative", actual)
    return value
