"""`modelet steps`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from modelet.cli.output import AsJson, print_json, results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelet.manual.steps import StepPage

app = typer.Typer()

_COLUMNS = ("step", "side", "in", "")


@app.command()
def steps(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A step to explain.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the steps that [[input.steps]] and [[output.steps]] may name, or explain one of them."""
    from dataclasses import asdict

    from modelet.manual.steps import pages

    chosen = [page for page in pages() if name in (None, page.name)]
    if not chosen:
        known = ", ".join(sorted({page.name for page in pages()}))
        raise typer.BadParameter(f"there is no step '{name}': there are {known}", param_hint="NAME")
    if as_json:
        print_json([asdict(page) for page in chosen])
    elif name is None:
        _list(chosen)
    else:
        for page in chosen:
            _explain(page)


def _list(pages: Sequence[StepPage]) -> None:
    table = Table(*_COLUMNS, box=None)
    for page in pages:
        table.add_row(page.name, page.side, page.where, escape(page.summary))
    results.print(table)


def _explain(page: StepPage) -> None:
    """A step as `model.toml` has it."""
    results.print(f"[[{page.side}.steps]]", f'name = "{page.name}"', sep="\n", markup=False)
    results.print("", *page.text, sep="\n", markup=False)
    table = Table(box=None, show_header=False)
    for parameter in page.parameters:
        default = "required" if parameter.is_required else parameter.default
        table.add_row(parameter.name, escape(parameter.kind), escape(default), escape(parameter.text))
    results.print(table)
