"""`modelet list` and `modelet show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from modelet.cli.output import MODELS, AsJson, Models, messages, print_json, results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelet.aliases.standing import Standing
    from modelet.repository import ModelFolder, Version
    from modelet_runtime.manifest import Manifest, TensorSpec

app = typer.Typer()

_COLUMNS = ("model", "live", "canary", "state", "source", "target", "inputs", "outputs")


@app.command("list")
def list_models(models: Models = MODELS, as_json: AsJson = False) -> None:
    """List the models: the versions that answer, what they take and what they give."""
    from modelet.repository import Repository

    rows = [_row(model) for model in Repository(models).models()]
    if as_json:
        print_json(rows)
        return
    table = Table(*_COLUMNS, box=None)
    for row in rows:
        table.add_row(*(escape(_cell(row[column])) for column in _COLUMNS))
    results.print(table)
    for trouble in {str(trouble): None for row in rows for trouble in _troubles(row)}:
        messages.print(trouble, markup=False)


@app.command()
def show(
    reference: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="A model, or one version of it.")
    ],
    models: Models = MODELS,
    full: Annotated[
        bool, typer.Option("--passport", help="Every candidate's figures, and why the winner won.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a version: its signature, steps, files, and what its passport says."""
    from modelet.repository import Repository

    repository = Repository(models)
    version = repository.version(reference)
    if full:
        _print_passport(version, as_json)
        return
    passport = _passport(version)
    alias = _alias(repository.model(reference.partition("@")[0]), version)
    if as_json:
        print_json({"manifest": version.manifest.to_dict(), "alias": alias, "passport": passport})
    else:
        _print(version, alias, passport)


def _print_passport(version: Version, as_json: bool) -> None:
    from modelet.passport import page, reading
    from modelet.passport.terminal import PassportView

    passport = reading.load(version)
    if as_json:
        print_json(passport)
    else:
        results.print(PassportView(passport))
        results.print(f"\nwith plots: {page.settle(version)}", markup=False, highlight=False, soft_wrap=True)


def _row(model: ModelFolder) -> dict[str, object]:
    """A model as one line: by key what a program reads, in order what a person does."""
    from modelet.aliases.standing import standing

    found = standing(model)
    numbers = [version.number for version in model.versions()]
    shown = found.live or found.canary
    manifest = shown.manifest if shown else None
    return {
        "model": model.name,
        "live": found.live.number if found.live else None,
        "canary": {"version": found.canary.number, "weight": found.weight} if found.canary else None,
        "state": _state(found, numbers),
        "source": manifest.source.kind if manifest else "",
        "target": manifest.target if manifest else "",
        "inputs": _signature(manifest.signature.inputs) if manifest else "",
        "outputs": _signature(manifest.signature.outputs) if manifest else "",
        "versions": numbers,
        "troubles": [*found.troubles.values()],
    }


def _state(found: Standing, numbers: Sequence[int]) -> str:
    if not numbers:
        return "not built"
    if found.live is None:
        return "cannot answer"
    if found.live.number == numbers[-1]:
        return "ready"
    return f"ready, newest is {numbers[-1]}"


def _troubles(row: Mapping[str, object]) -> Sequence[object]:
    troubles = row["troubles"]
    return troubles if isinstance(troubles, list) else ()


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['version']} ({value['weight']:.3g})"
    return str(value or "-")


def _alias(model: ModelFolder, version: Version) -> str:
    """What a version is at the moment."""
    from modelet.aliases.standing import standing

    found = standing(model)
    if found.live and found.live.number == version.number:
        return "live"
    if found.canary and found.canary.number == version.number:
        return f"canary, {found.weight:.3g} of live's requests"
    return version.obstacle or "none"


def _print(version: Version, alias: str, passport: Mapping[str, Any] | None) -> None:
    manifest, resources = version.manifest, version.manifest.resources
    missing = version.missing_files()
    facts = {
        "version": f"{manifest.version}" + (f"  ({', '.join(missing)} not built here)" if missing else ""),
        "alias": alias,
        "description": manifest.description,
        "source": f"{manifest.source.uri}  ({manifest.source.kind})",
        "target": f"{manifest.target}, {resources.memory_mib} MiB, {resources.architecture}",
        "placement": manifest.placement.reason if manifest.placement else "",
        "inputs": _signature(manifest.signature.inputs),
        "outputs": _signature(manifest.signature.outputs),
        "steps": _steps(manifest),
        "operator sets": ", ".join(f"{name} {number}" for name, number in manifest.graph.opsets.items()),
        "nodes": ", ".join(f"{count} {name}" for name, count in manifest.graph.operators.items()),
        "files": "\n".join(
            f"{name}  {digest.bytes:,} bytes  {digest.sha256[:12]}" for name, digest in manifest.files.items()
        ),
        "tools": ", ".join(f"{name} {number}" for name, number in manifest.tools.items()),
        **(_figures(passport) if passport else {}),
    }
    table = Table(box=None, show_header=False, title=manifest.name, title_justify="left")
    for key, value in facts.items():
        if value:
            table.add_row(key, escape(value))
    results.print(table)


def _figures(passport: Mapping[str, Any]) -> dict[str, str]:
    """What the passport says of the candidate that won."""
    winner = passport["winner"]
    by_name = {candidate["name"]: candidate for candidate in passport["candidates"]}
    won, stock = by_name[winner["name"]], by_name.get("stock")
    parity = "\n".join(
        f"{output['output']}: largest difference {output['max_abs_diff']:.3g},"
        f" {output['outside_tolerance']} of {output['elements']} outside the tolerance"
        for output in passport["parity"]
    )
    accepted = f", accepted: {passport['accepted']}" if passport["accepted"] else ""
    return {
        "precision": f"{winner['name']} ({winner['file']}): {winner['reason']}",
        "passport": ("passed" if passport["passed"] else "failed") + accepted,
        "proof": f"{passport['data']['runs']} runs from {passport['data']['origin']}\n{parity}",
        "run": _beside(won, stock, "latency_ms"),
        "session": _beside(won, stock, "session_load_ms"),
        "measured on": f"{passport['machine']['cpu']}, {passport['machine']['cpus']} CPUs",
    }


def _beside(won: Mapping[str, Any], stock: Mapping[str, Any] | None, key: str) -> str:
    """A time of the winner, and of the original in stock ONNX Runtime."""
    ours = won[key]
    if ours is None:
        return ""
    theirs = f", stock {stock[key]['median']:.3g} ms" if stock and stock[key] else ""
    return f"{ours['median']:.3g} ms (p95 {ours['p95']:.3g}){theirs}"


def _passport(version: Version) -> dict[str, Any] | None:
    import json

    from modelet.repository import PASSPORT_FILE

    path = version.folder / PASSPORT_FILE
    return json.loads(path.read_bytes()) if path.is_file() else None


def _steps(manifest: Manifest) -> str:
    before = [step.name for step in manifest.input_steps]
    after = [step.name for step in manifest.output_steps]
    grafted = {side: [step["name"] for step in steps] for side, steps in manifest.graph.grafted.items()}
    graph = "graph"
    if grafted:
        graph += f" ({' -> '.join([*grafted['input'], 'model', *grafted['output']])})"
    return " -> ".join([*before, graph, *after]) if before or after or grafted else ""


def _signature(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.datatype}{_shape(spec)}" for spec in specs)


def _shape(spec: TensorSpec) -> str:
    return "[" + ",".join("?" if size == -1 else str(size) for size in spec.shape) + "]"
