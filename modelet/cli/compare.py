"""`modelet diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from modelet.cli.output import MODELS, REFUSED, AsJson, Models, messages, print_json, results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelet.compare.answers import Answers
    from modelet.compare.figures import Figure, Value
    from modelet.repository import ModelFolder, Version

app = typer.Typer()


@app.command()
def diff(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model.")],
    a: Annotated[str, typer.Argument(metavar="A", help="A version's number, or live, or canary.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one: what it changes is shown.")],
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if B changes an answer or breaks callers of A.")
    ] = False,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Compare two versions: signature, size, speed, accuracy, and the answers to the golden inputs.

    Both are run on the golden inputs of both. Speed and accuracy are those of the passports, and speed is
    also measured here, in turn.
    """
    from modelet.aliases.breaks import breaks
    from modelet.compare.answers import compare
    from modelet.compare.figures import figures
    from modelet.repository import Repository

    model = Repository(models).model(name)
    first, second = _version(model, a), _version(model, b)
    lost = breaks(first.manifest.signature, second.manifest.signature)
    found = figures(first, second)
    answers = None
    missing = [version for version in (first, second) if not version.is_complete]
    if not missing:
        with messages.status(f"{name}: golden inputs"):
            answers = compare(first, second)
    if as_json:
        print_json(_document(name, (first, second), lost, found, answers))
    else:
        _show(f"{name} {first.number} -> {second.number}", lost, found, answers)
    for version in missing:
        messages.print(f"answers are not compared: version {version.number} {version.obstacle}", markup=False)
    if exit_code and (lost or (answers and answers.changed)):
        raise typer.Exit(REFUSED)


def _version(model: ModelFolder, reference: str) -> Version:
    from modelet.aliases.moves import current
    from modelet.errors import UnknownModel
    from modelet_runtime.aliases import CANARY, LIVE

    if reference.isdecimal():
        return model.version(int(reference))
    aliases = current(model)
    canary = aliases.canary.version if aliases and aliases.canary else None
    number = {LIVE: aliases.live if aliases else None, CANARY: canary}.get(reference)
    if number is None:
        raise UnknownModel(
            f"'{reference}' names no version of '{model.name}'", "name a number, or live or canary"
        )
    return model.version(number)


def _show(title: str, lost: Sequence[str], found: Sequence[Figure], answers: Answers | None) -> None:
    table = Table("", "", "A", "B", "B / A", box=None, title=escape(title), title_justify="left")
    group = ""
    for figure in found:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3g}"
        shown = "" if figure.group == group else f"[bold]{figure.group}[/]"
        table.add_row(shown, escape(figure.name), _cell(figure.a), _cell(figure.b), ratio)
        group = figure.group
    if answers and answers.speed:
        speed = answers.speed
        ms = (f"{speed.medians[side] * 1000:.3g}" for side in ("a", "b"))
        interval = f"{speed.value:.3g} [dim]({speed.low:.3g} to {speed.high:.3g})[/]"
        table.add_row("[bold]here[/]", "run, ms, in turn", *ms, interval)
    results.print(table)
    for loss in lost:
        results.print(f"[yellow]breaks callers:[/] {escape(loss)}")
    if answers:
        _show_answers(answers)


def _show_answers(answers: Answers) -> None:
    style = "yellow" if answers.changed else "green"
    left_out = f"; inputs that only one of them takes: {answers.left_out}" if answers.left_out else ""
    results.print(f"[{style}]{answers.changed} of {answers.rows} answers changed[/]{left_out}")
    outputs = Table(
        "output", "top-1 agreement", "cosine", "largest difference", "outside tolerance", box=None
    )
    for output in answers.outputs:
        outside = f"{output['outside_tolerance']} of {output['elements']}"
        figures = (_cell(output[key]) for key in ("top1_agreement", "cosine_min", "max_abs_diff"))  # type: ignore[arg-type]
        outputs.add_row(escape(str(output["output"])), *figures, outside)
    results.print(outputs)
    for change in answers.examples:
        results.print(f"input {change.case}, row {change.row}: {change.a}  ->  {change.b}", markup=False)


def _cell(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else escape(value)


def _document(
    name: str,
    versions: Sequence[Version],
    lost: Sequence[str],
    found: Sequence[Figure],
    answers: Answers | None,
) -> dict[str, object]:
    from dataclasses import asdict

    a, b = versions
    return {
        "model": name,
        "a": a.number,
        "b": b.number,
        "breaks": list(lost),
        "figures": [{**asdict(figure), "ratio": figure.ratio} for figure in found],
        "answers": asdict(answers) if answers else None,
    }
