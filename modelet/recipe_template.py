"""The `model.toml` that `modelet add` writes: every key, explained by the recipe's own descriptions."""

import json
import textwrap
from collections.abc import Iterator, Mapping

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from modelet.recipe import Batch, Endpoint, Export, Golden, Model, Optimize, Resources

_HEAD = "How {name} is built: `modelet build {name}`. Keys commented out show a default or an example."
_STEPS = """\
# Steps in front of the model, in order: from a body as people have it to what the model takes. Those of
# the runtime come first, then those that become part of the graph: `modelet steps` lists them all.
# [[input.steps]]
# name = "image"

# [[input.steps]]
# name = "pixels"

# Steps behind the model, in order: from what it gives to an answer as people read it. Here those of the
# graph come first.
# [[output.steps]]
# name = "softmax"

# [[output.steps]]
# name = "labels"
"""
_WIDTH = 100


def render(values: Mapping[str, object]) -> str:
    """Write a recipe with every key explained.

    Args:
        values: The keys of `[model]` to set; all others are commented out.
    """
    head = "\n".join(_comment(_HEAD.format(name=values["name"])))
    sections = (
        ("export", Export),
        ("golden", Golden),
        ("optimize", Optimize),
        ("resources", Resources),
        ("endpoint", Endpoint),
        ("batch", Batch),
    )
    parts = [head, _section("model", Model, values), _STEPS.rstrip()]
    parts += [_section(name, section, {}) for name, section in sections]
    return "\n\n".join(parts) + "\n"


def _section(name: str, section: type[BaseModel], values: Mapping[str, object]) -> str:
    lines = [f"[{name}]" if values else f"# {section.__doc__}\n[{name}]"]
    for key, field in section.model_fields.items():
        lines += _comment(field.description or "")
        if key in values:
            lines.append(f"{key} = {to_toml(values[key])}")
        else:
            lines.append(f"# {key} = {to_toml(_example(field))}")
    return "\n".join(lines)


def _example(field: FieldInfo) -> object:
    return field.examples[0] if field.examples else field.get_default(call_default_factory=False)


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, _WIDTH))


def to_toml(value: object) -> str:
    """Strings, numbers, booleans and lists of these are written in TOML as in JSON."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {to_toml(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
