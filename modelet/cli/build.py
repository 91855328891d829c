"""`modelet add` and `modelet build`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from modelet.cli.output import MODELS, REFUSED, AsJson, Models, messages, print_json, refuse, results

if TYPE_CHECKING:
    from modelet.build.pipeline import Outcome
    from modelet.errors import MissingExtra
    from modelet.repository import ModelFolder

app = typer.Typer()


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name, <domain>_<task>.")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A model's file, pkg:<package>/<path>, or FILE.py:FUNCTION that returns a model.",
        ),
    ],
    models: Models = MODELS,
    target: Annotated[Literal["cpu", "gpu"], typer.Option(help="Who runs the graph.")] = "cpu",
    module: Annotated[
        str | None,
        typer.Option(metavar="FILE.py:FUNCTION", help="What makes the module, if SOURCE holds weights only."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a model: write its model.toml, every key explained, and build version 1.

    A file outside of the model's folder is copied into it.
    """
    from modelet.add import add as add_model
    from modelet.repository import Repository

    added = add_model(Repository(models), name, source, target, module)
    for note in added.notes:
        messages.print(note, markup=False)
    try:
        outcome = _build(added.model)
    except BaseException:  # Ctrl-C included
        added.undo()
        raise
    _tell(added.model, outcome, as_json)


@app.command()
def build(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Models to build; all by default.")
    ] = None,
    accept: Annotated[
        str,
        typer.Option(
            metavar="REASON",
            help="Let a version whose proof fails be served and deployed all the same; needs NAME.",
        ),
    ] = "",
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Build what is missing or changed: binaries again, or the next version.

    Where aliases.toml says what is live, a new version waits for `modelet promote`. A model that is refused
    does not keep the others from being built. Without names, a model whose
    framework is not installed is skipped.
    """
    from modelet.errors import MissingExtra, Refused
    from modelet.repository import Repository

    if accept and not names:
        raise typer.BadParameter("name the models whose proof may fail", param_hint="--accept")
    repository = Repository(models)
    chosen = [repository.model(name) for name in names] if names else repository.models()
    done, refused = [], False
    for model in chosen:
        try:
            outcome = _build(model, accept)
        except Refused as error:
            if names or not isinstance(error, MissingExtra):
                refuse(error)
                refused = True
                continue
            outcome = _skipped(model, error)
        done.append((model, outcome))
        if not as_json:
            _tell(model, outcome, as_json)
    if as_json:
        print_json([_document(model, outcome) for model, outcome in done])
    if refused:
        raise typer.Exit(REFUSED)


def _build(model: ModelFolder, accept: str = "") -> Outcome:
    """Build one model and show which stage it is at, and what the proof found."""
    from modelet.build.pipeline import build as build_model

    with messages.status(f"{model.name}: source") as status:
        outcome = build_model(model, lambda stage: status.update(f"{model.name}: {stage}"), accept)
    for note in outcome.notes:
        messages.print(f"{model.name}: {note}", markup=False)
    if not outcome.is_proven:
        messages.print(
            f"{model.name}: version {outcome.version} is not served: its passport failed, and no --accept"
            " says why that is good enough",
            markup=False,
        )
    return outcome


def _skipped(model: ModelFolder, error: MissingExtra) -> Outcome:
    from modelet.build.pipeline import Outcome

    versions = model.versions()
    return Outcome(model.name, versions[-1].number if versions else None, "skipped", str(error), 0.0)


def _tell(model: ModelFolder, outcome: Outcome, as_json: bool) -> None:
    if as_json:
        print_json(_document(model, outcome))
        return
    if outcome.action == "kept":
        results.print(f"{outcome.model}  version {outcome.version}  {outcome.reason}")
    elif outcome.action == "skipped":
        results.print(f"{outcome.model}  skipped: {outcome.reason}", markup=False)
    else:
        done = f"{outcome.action} in {outcome.seconds:.1f} s"
        results.print(f"{outcome.model}  version {outcome.version}  {done}: {outcome.reason}", markup=False)
    if following := _next_step(model, outcome):
        results.print(f"{outcome.model}  {following}", markup=False)


def _document(model: ModelFolder, outcome: Outcome) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(outcome), "next_step": _next_step(model, outcome)}


def _next_step(model: ModelFolder, outcome: Outcome) -> str:
    """How the version comes to answer, where it does not do so already."""
    from modelet.aliases.standing import next_step

    if outcome.version is None or outcome.action == "skipped":
        return ""
    return next_step(model, outcome.version)
