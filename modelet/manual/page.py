"""The generated parts of `docs/models.md`, written anew by `python -m modelet.manual.page docs/models.md`."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from modelet.manual.keys import Section, sections
from modelet.manual.steps import StepPage, pages

_PART = re.compile(r"(<!-- (\w+): made by `make docs` -->\n).*?(<!-- end of \2 -->)", re.DOTALL)
_RUNS = {"runtime": "run by the function's runtime", "graph": "becomes part of the graph"}


def render(page: str) -> str:
    """Write the generated parts of a page anew.

    Args:
        page: Its text, with each part between two comments.
    """
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", page)


def _keys() -> str:
    return "\n".join(line for section in sections() for line in _section(section))


def _section(section: Section) -> Iterator[str]:
    yield f"### `{section.title}`\n\n{section.text}\n"
    if section.keys:
        yield "| Key | May be | Default | |\n|---|---|---|---|"
        for key in section.keys:
            example = f" For example `{key.example}`." if key.example else ""
            default = "required" if key.is_required else key.default and f"`{key.default}`"
            yield _row(f"`{key.name}`", key.kind, default, key.text + example)
        yield ""


def _overview() -> str:
    rows = [
        _row(f"[`{step.name}`](#{_anchor(step)})", step.side, step.where, step.summary) for step in pages()
    ]
    return "\n".join(["| Step | Side | In | |\n|---|---|---|---|", *rows, ""])


def _steps() -> str:
    return "\n".join(line for step in pages() for line in _step(step))


def _step(step: StepPage) -> Iterator[str]:
    yield f"#### {_title(step)}\n"
    layers = f", with option layer {' and '.join(step.layers)}" if step.layers else ""
    yield f"`[[{step.side}.steps]]`, {_RUNS[step.where]}{layers}.\n"
    yield from (f"{paragraph}\n" for paragraph in step.text)
    if step.parameters:
        yield "| Parameter | May be | Default | |\n|---|---|---|---|"
        for parameter in step.parameters:
            default = "required" if parameter.is_required else parameter.default and f"`{parameter.default}`"
            yield _row(f"`{parameter.name}`", parameter.kind, default, parameter.text)
        yield ""


def _title(step: StepPage) -> str:
    return f"{step.name} ({step.side})"


def _anchor(step: StepPage) -> str:
    """As GitHub makes it of the title."""
    return f"{step.name}-{step.side}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Keep Markdown from taking text outside of code for anything else."""
    parts = text.replace("|", r"\|").split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", r"\*") for part in parts[::2]]
    return "`".join(parts)


PARTS: Mapping[str, Callable[[], str]] = {"keys": _keys, "overview": _overview, "steps": _steps}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(render(path.read_text()))
