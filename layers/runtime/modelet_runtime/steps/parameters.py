"""The parameters of a step, as written in `model.toml`, checked against the fields of its class."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from modelet_runtime import manifest
from modelet_runtime.errors import ArtifactError

# `X | Y` of plain classes is the one, with a `Literal` the other.
_UNIONS = (UnionType, Union)

# One of them, and several.
_WORDS: Mapping[type, tuple[str, str]] = {
    bool: ("true or false", "booleans"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
}


def build(kind: type[Any], step: manifest.Step, where: str) -> Any:
    """Make a step's dataclass from its parameters.

    Args:
        kind: A dataclass whose fields are the parameters; annotations of `bool`, `int`, `float`,
            `str`, `Literal`, `tuple`, `Mapping` and unions of these say what a value may be.
        step: The step's name and parameters.
        where: What stands before the text of errors.

    Raises:
        ArtifactError: A parameter is unknown, missing or has a wrong value.
    """
    here = f"{where}: step '{step.name}'"
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind)}
    for name in step.parameters:
        if name not in known:
            raise ArtifactError(f"{here}: unknown parameter '{name}': it takes {_names(known)}")
    for name, field in known.items():
        if name in step.parameters and not _fits(step.parameters[name], field.type):
            value = step.parameters[name]
            raise ArtifactError(f"{here}: {name}: expected {describe(field.type)}, got {value!r}")
        if name not in step.parameters and field.default is MISSING and field.default_factory is MISSING:
            raise ArtifactError(f"{here}: missing parameter '{name}': expected {describe(field.type)}")
    values = {name: _freeze(value) for name, value in step.parameters.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ArtifactError(f"{here}: {error}") from error


def describe(annotation: Any, many: bool = False) -> str:
    """What a parameter may be, in words: for errors and for the generated reference.

    Args:
        annotation: Its type.
        many: Whether there are several.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in arguments)
    if origin in _UNIONS:
        return " or ".join(describe(option, many) for option in arguments if option is not NoneType)
    if origin is tuple:
        if arguments[-1] is ...:
            return f"{'lists' if many else 'a list'} of {describe(arguments[0], many=True)}"
        return f"{'lists' if many else 'a list'} [{', '.join(describe(item) for item in arguments)}]"
    if origin is Mapping:
        return f"{'tables' if many else 'a table'} of {describe(arguments[1], many=True)}"
    return _WORDS[annotation][many]


def _fits(value: Any, annotation: Any) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in arguments)
    if origin in _UNIONS:
        return any(_fits(value, option) for option in arguments)
    if origin is tuple:
        return isinstance(value, (list, tuple)) and _items_fit(value, arguments)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(item, arguments[1]) for item in value.values())
    if annotation is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is annotation


def _items_fit(values: Sequence[Any], arguments: tuple[Any, ...]) -> bool:
    if arguments[-1] is ...:
        return all(_fits(value, arguments[0]) for value in values)
    return len(values) == len(arguments) and all(map(_fits, values, arguments))


def _freeze(value: Any) -> Any:
    """JSON and TOML have lists where a frozen step has tuples."""
    if isinstance(value, Mapping):
        return {name: _freeze(item) for name, item in value.items()}
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


def _names(known: dict[str, Field[Any]]) -> str:
    return ", ".join(known) or "none"
