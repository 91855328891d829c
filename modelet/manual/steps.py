"""Every step, described by its own class: docstring, annotations and defaults."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from modelet.build.graft import registry as graph
from modelet_runtime.steps import registry as runtime
from modelet_runtime.steps.parameters import describe

Side = Literal["input", "output"]
Where = Literal["runtime", "graph"]

_SECTION = re.compile(r"^(Attributes|Args|Raises|Returns|Source|Example):\s*$", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (\w+): ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a step.

    Attributes:
        name: The key in `model.toml`.
        kind: What it may be, in words.
        default: As TOML writes it; empty if it is required or its text says what happens without it.
        is_required: Whether it has to be there.
        text: What it means.
    """

    name: str
    kind: str
    default: str
    is_required: bool
    text: str


@dataclass(frozen=True, slots=True)
class StepPage:
    """One step.

    Attributes:
        name: Its name in `model.toml`.
        side: Whether it stands before or after the model.
        where: Who runs it: the function's runtime, or the graph it becomes part of.
        text: Its paragraphs.
        parameters: In order.
        layers: Option layers that bring its library, such as `image`.
    """

    name: str
    side: Side
    where: Where
    text: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    layers: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first sentence."""
        return self.text[0]


def pages() -> list[StepPage]:
    """Every step: before the model in the order in which they run, then after it."""
    tables: list[tuple[Side, Where, Mapping[str, str | type[Any]]]] = [
        ("input", "runtime", runtime.INPUT),
        ("input", "graph", graph.INPUT),
        ("output", "graph", graph.OUTPUT),
        ("output", "runtime", runtime.OUTPUT),
    ]
    return [_page(name, side, where, table[name]) for side, where, table in tables for name in sorted(table)]


def _page(name: str, side: Side, where: Where, entry: str | type[Any]) -> StepPage:
    kind = runtime.step_class({name: entry}, name, side) if isinstance(entry, str) else entry
    texts = dict(_attributes(kind))
    parameters = tuple(
        Parameter(
            field.name,
            describe(field.type),
            "" if "by default" in texts[field.name].lower() else _default(field.default),
            field.default is MISSING and field.default_factory is MISSING,
            texts[field.name],
        )
        for field in sorted(fields(kind), key=lambda field: list(texts).index(field.name))
    )
    return StepPage(name, side, where, _paragraphs(kind), parameters, tuple(getattr(kind, "layers", ())))


def _paragraphs(kind: type[Any]) -> tuple[str, ...]:
    """The docstring before its first section."""
    text = _SECTION.split(inspect.getdoc(kind) or "")[0]
    return tuple(_joined(part) for part in text.strip().split("\n\n"))


def _attributes(kind: type[Any]) -> Iterator[tuple[str, str]]:
    """Names and texts of the section `Attributes`: a class's own first, then those of its bases."""
    for base in kind.__mro__:
        _, *sections = _SECTION.split(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
        for title, body in zip(sections[::2], sections[1::2], strict=True):
            if title == "Attributes":
                _, *found = _ATTRIBUTE.split(body)
                yield from zip(found[::2], map(_joined, found[1::2]), strict=True)


def _joined(text: str) -> str:
    return " ".join(text.split())


def _default(value: object) -> str:
    """As TOML writes it; empty if there is none."""
    if value is MISSING or value is None:
        return ""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_default, value))}]" if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:_}" if isinstance(value, int) else str(value)
