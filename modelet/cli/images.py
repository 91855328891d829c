"""`modelet layer` and `modelet image`: the shared layers, build contexts and images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from modelet import paths
from modelet.errors import UnknownModel
from modelet.packaging import archive, builder, context
from modelet.packaging.archive import Archive
from modelet.packaging.context import Context
from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import Architecture
from modelet.repository import Repository, Version, served_version

app = typer.Typer()

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def layer(
    arch: Annotated[
        Architecture, typer.Option(help="The machine the functions run on.")
    ] = Architecture.X86_64,
    as_json: _Json = False,
) -> None:
    """Assemble the layers that all model images share.

    They come to lie in layers/.build: runtime-<arch>, and an option-<name>-<arch> for each folder of
    layers/options, as a folder to look at and as the archive that images are made of.
    """
    workshop = Workshop(paths.root())
    layers = [workshop.runtime(arch), *(workshop.option(name, arch) for name in workshop.options)]
    for made in layers:
        archive.unpack(made)
    _show({made.path.stem: made for made in layers}, as_json)


@app.command()
def image(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME[@VERSION]...", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All models.")] = False,
    only_context: Annotated[
        bool,
        typer.Option(
            "--context", help="Stage the build contexts and build nothing; with --all, of all versions."
        ),
    ] = False,
    tag: Annotated[str | None, typer.Option(help="The image's name [default: modelet/NAME:VERSION].")] = None,
    base_image: Annotated[str | None, typer.Option(help="Another base than the Dockerfile's.")] = None,
    arch: Annotated[
        Architecture | None, typer.Option(help="Another machine than the manifest's.", show_default=False)
    ] = None,
    models: Annotated[Path, typer.Option(help="The folder of the models.")] = paths.MODELS,
    as_json: _Json = False,
) -> None:
    """Build the container image of a model, for Lambda and for SageMaker.

    The first of docker, podman, buildah and finch that works builds it, or what CDK_DOCKER names.
    """
    if bool(names) == every:
        raise typer.BadParameter("name the models, or give --all")
    if tag and (every or len(names or ()) > 1):
        raise typer.BadParameter("one name is for one model", param_hint="--tag")
    versions = _versions(Repository(models), names or (), only_context)
    tool = None if only_context else builder.choose()
    workshop = Workshop(paths.root())
    built: dict[str, Context] = {}
    for version in versions:
        staged = context.stage(workshop, version, arch)
        name = tag or f"modelet/{staged.name}:{version.number}"
        if tool:
            builder.build(staged, name, tool, base_image)
        built[name if tool else str(staged.folder)] = staged
    _report(built, as_json)


def _versions(repository: Repository, names: Sequence[str], include_older: bool) -> list[Version]:
    """The versions that are named; without names, the served one of every model or all that are complete."""
    if names:
        return [_version(repository, name) for name in names]
    if include_older:
        return [v for model in repository.models() for v in model.versions() if v.is_complete]
    return [version for model in repository.models() if (version := served_version(model))]


def _version(repository: Repository, name: str) -> Version:
    name, _, number = name.partition("@")
    model = repository.model(name)
    if number:
        if not number.isdecimal():
            raise typer.BadParameter(f"{number!r} is not a version", param_hint="NAME[@VERSION]")
        return model.version(int(number))
    version = served_version(model)
    if version is None:
        raise UnknownModel(f"model '{name}' has no version that is complete", f"run `modelet build {name}`")
    return version


def _show(layers: Mapping[str, Archive], as_json: bool) -> None:
    if as_json:
        rows = {
            name: {"path": str(layer.path), "sha256": layer.sha256, "bytes": layer.content_bytes}
            for name, layer in layers.items()
        }
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("layer", "MB", "files", "sha256", "bytecode by")
    for name, made in layers.items():
        table.add_row(
            name,
            _megabytes(made.content_bytes),
            str(made.files),
            made.sha256[:12],
            made.notes.get("compiler", "-"),
        )
    Console().print(table)


def _report(built: Mapping[str, Context], as_json: bool) -> None:
    if as_json:
        rows = {
            name: {
                "folder": str(staged.folder),
                "layers": {part: a.content_bytes for part, a in staged.parts.items()},
            }
            for name, staged in built.items()
        }
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("image", "shared MB", "model MB")
    for name, staged in built.items():
        model = staged.parts["model.tar"].content_bytes
        table.add_row(name, _megabytes(staged.content_bytes - model), _megabytes(model))
    Console().print(table)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f}"
