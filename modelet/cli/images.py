"""`modelet layer` and `modelet image`: the shared layers, build contexts and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelet.cli.output import MODELS, AsJson, Models, messages, print_json, results
from modelet.packaging.platforms import Architecture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelet.packaging.archive import Archive
    from modelet.packaging.context import Context
    from modelet.repository import Repository, Version

app = typer.Typer()


@app.command()
def layer(
    arch: Annotated[
        Architecture, typer.Option("--arch", help="The machine the functions run on.")
    ] = Architecture.X86_64,
    as_json: AsJson = False,
) -> None:
    """Assemble the layers that all model images share.

    They come to lie in layers/.build: runtime-ARCH, and option-NAME-ARCH for each folder of layers/options,
    as a folder to look at and as the archive that images are made of.
    """
    from modelet import paths
    from modelet.packaging.archive import unpack
    from modelet.packaging.layer import Workshop

    workshop = Workshop(paths.root())
    with messages.status("Assembling the layers"):
        layers = [workshop.runtime(arch), *(workshop.option(name, arch) for name in workshop.options)]
        folders = {str(unpack(archive)): archive for archive in layers}
    if as_json:
        print_json({folder: _facts(archive) for folder, archive in folders.items()})
    else:
        for folder, archive in folders.items():
            compiler = archive.notes.get("compiler", "nothing")
            results.print(
                f"{folder}  {_megabytes(archive.content_bytes)}, {archive.files} files,"
                f" sha256 {archive.sha256[:12]}, bytecode by {compiler}",
                markup=False,
            )


@app.command()
def image(
    references: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME[@VERSION]", help="Models, or versions of them.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The live version of every model.")] = False,
    only_context: Annotated[
        bool,
        typer.Option(
            "--context",
            help="Stage build contexts only; with --all, of canaries, pinned and the catalog too.",
        ),
    ] = False,
    tag: Annotated[
        str | None, typer.Option("--tag", help="The image's name; modelet/NAME:VERSION by default.")
    ] = None,
    base_image: Annotated[
        str | None, typer.Option("--base-image", help="Another base than the Dockerfile's.")
    ] = None,
    arch: Annotated[
        Architecture | None, typer.Option("--arch", help="Another machine than the manifest's.")
    ] = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Build the container image of a model, for Lambda and for SageMaker.

    The first of docker, podman, buildah and finch that works builds it, or what CDK_DOCKER names.
    """
    from modelet import paths
    from modelet.packaging import builder, catalog, context
    from modelet.packaging.layer import Workshop
    from modelet.repository import Repository

    if bool(references) == every:
        raise typer.BadParameter("name models, or give --all")
    if tag and (every or len(references or ()) > 1):
        raise typer.BadParameter("one name is for one image", param_hint="--tag")
    versions = _versions(Repository(models), references or (), only_context)
    tool = None if only_context else builder.choose()
    workshop = Workshop(paths.root())
    made: dict[str, Context] = {}
    for version in versions:
        with messages.status(f"Packing {version.manifest.name}@{version.number}"):
            staged = context.stage(workshop, version, arch)
        if tool is None:
            made[str(staged.folder)] = staged
            continue
        name = tag or f"modelet/{staged.name}:{version.number}"
        builder.build(staged, name, tool, base_image)
        made[name] = staged
    if every and only_context:
        with messages.status("Packing the catalog"):
            for machine in {staged.architecture for staged in made.values()} or {Architecture.ARM64}:
                catalog.stage(workshop, machine)
    _tell(made, as_json)


def _versions(repository: Repository, references: Sequence[str], with_older: bool) -> list[Version]:
    """The versions that are named, or those that are live, and all that are deployed besides."""
    from modelet.aliases.standing import deployed
    from modelet.repository import served_version

    if references:
        return [repository.version(reference) for reference in references]
    if with_older:
        return [version for model in repository.models() for version in deployed(model)]
    return [version for model in repository.models() if (version := served_version(model))]


def _tell(made: Mapping[str, Context], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                name: {part: _facts(archive) for part, archive in staged.parts.items()}
                for name, staged in made.items()
            }
        )
        return
    for name, staged in made.items():
        model = staged.parts["model.tar"].content_bytes
        shared = staged.content_bytes - model
        results.print(f"{name}  {_megabytes(model)} of its own, {_megabytes(shared)} shared", markup=False)


def _facts(archive: Archive) -> dict[str, object]:
    return {"bytes": archive.content_bytes, "files": archive.files, "sha256": archive.sha256, **archive.notes}


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB"
