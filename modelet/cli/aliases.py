"""`modelet promote` and `modelet rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from modelet.cli.output import MODELS, AsJson, Models, messages, print_json, results

if TYPE_CHECKING:
    from modelet.aliases.moves import Move
    from modelet_runtime.aliases import Aliases

app = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model.")]


@app.command()
def promote(
    name: Name,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version's number.")],
    canary: Annotated[
        float | None,
        typer.Option(
            metavar="WEIGHT",
            help="Only as a canary, with this share of live's requests: 0.1 is a tenth.",
            show_default=False,
        ),
    ] = None,
    breaking: Annotated[
        bool, typer.Option("--breaking", help="Also if it breaks callers of the live version.")
    ] = False,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Make a version live, or a canary beside it; either ends a canary that is under way.

    Only what is built and proven is promoted. A version that takes or gives other tensors than the live one
    needs --breaking, and is told which. A service that runs takes it over with the next request.
    """
    from modelet.aliases import moves
    from modelet.repository import Repository

    if canary is not None and not 0 < canary < 1:
        raise typer.BadParameter("a share between 0 and 1", param_hint="--canary")
    model = Repository(models).model(name)
    _tell(moves.promote(model, version, weight=canary, is_breaking=breaking), as_json)


@app.command()
def rollback(name: Name, models: Models = MODELS, as_json: AsJson = False) -> None:
    """Undo the last promote: end the canary if there is one, or else go back to the previous live version.

    Called again, it goes one further back.
    """
    from modelet.aliases import moves
    from modelet.repository import Repository

    _tell(moves.rollback(Repository(models).model(name)), as_json)


def _tell(move: Move, as_json: bool) -> None:
    if as_json:
        print_json(_document(move))
        return
    table = Table("alias", "before", "now", box=None, title=escape(move.model), title_justify="left")
    before, after = _rows(move.before), _rows(move.after)
    for alias, now in after.items():
        was = before[alias]
        table.add_row(alias, was, f"[bold green]{now}[/]" if now != was else now)
    results.print(table)
    for loss in move.breaks:
        messages.print(f"callers: {loss}", style="yellow", markup=False)


def _rows(aliases: Aliases | None) -> dict[str, str]:
    """What each alias is at, as people read it."""
    canary = aliases.canary if aliases else None
    return {
        "live": str(aliases.live) if aliases else "-",
        "canary": f"{canary.version} ({canary.weight:.3g} of the requests)" if canary else "-",
        "previous": ", ".join(map(str, aliases.previous)) if aliases and aliases.previous else "-",
    }


def _document(move: Move) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(move)
