"""Every key of `model.toml`, described by the recipe's own classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from modelet.recipe import Recipe, Steps
from modelet.recipe_template import to_toml

_WORDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string", NoneType: ""}
_MANY = {bool: "booleans", int: "integers", float: "numbers", str: "strings"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        name: The key.
        kind: What it may be, in words.
        default: As TOML writes it; empty if it is required or its text says what happens without it.
        is_required: Whether it has to be there.
        text: What it means.
        example: As TOML writes it; empty where the default is one.
    """

    name: str
    kind: str
    default: str
    is_required: bool
    text: str
    example: str


@dataclass(frozen=True, slots=True)
class Section:
    """One table of `model.toml`.

    Attributes:
        title: As it is written there, such as `[model]`.
        text: What it is about.
        keys: Its keys.
    """

    title: str
    text: str
    keys: tuple[Key, ...]


def sections() -> Iterator[Section]:
    """Every table, in the order of the template; tables inside of another come after it."""
    for name, field in Recipe.model_fields.items():
        yield from _sections(name, field)


def _sections(name: str, field: FieldInfo) -> Iterator[Section]:
    model = _model(field.annotation)
    assert model is not None, f"[{name}] is no section"
    text = " ".join((model.__doc__ or "").split())
    if model is Steps:
        yield Section(
            f"[[{name}.steps]]", f"{text} Each has a `name`; its other keys are its parameters.", ()
        )
        return
    inner = {key: field for key, field in model.model_fields.items() if _model(field.annotation)}
    keys = [_key(key, field) for key, field in model.model_fields.items() if key not in inner]
    yield Section(f"[{name}]", f"{text} {field.description or ''}".rstrip(), tuple(keys))
    for key, found in inner.items():
        yield from _sections(f"{name}.{key}", found)


def _key(name: str, field: FieldInfo) -> Key:
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    shown = "" if default in (None, "", [], {}) else to_toml(default)
    example = to_toml(field.examples[0]) if field.examples else ""
    return Key(name, _words(field.annotation), shown, field.is_required(), field.description or "", example)


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0])
    if origin is Literal:
        return " or ".join(to_toml(value) for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(words for option in arguments if (words := _words(option)))
    if origin is list:
        return f"a list of {_many(arguments[0])}"
    if origin is dict:
        return f"a table of {_many(arguments[1])}"
    return _WORDS[annotation]


def _many(annotation: Any) -> str:
    """Several of a kind."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _many(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(map(_many, arguments))
    if model := _model(annotation):
        return f"tables with {', '.join(model.model_fields)}"
    return _MANY.get(annotation) or _words(annotation)


def _model(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation stands for, if it is one; it may be left out."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    models = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
    return models[0] if models else None
