"""The table of image bytes in `docs/images.md`, layer by layer: `python -m modelet.packaging.sizes FILE`."""

import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelet import paths
from modelet.packaging import context
from modelet.packaging.archive import Archive
from modelet.packaging.definition import Definition
from modelet.packaging.layer import FUNCTIONS, Workshop
from modelet.packaging.platforms import Architecture
from modelet.packaging.wheels import fetch
from modelet.repository import Repository, Version, served_version

_PART = re.compile(r"(<!-- sizes: made by `make docs` -->\n).*?(<!-- end of sizes -->)", re.DOTALL)
_HEAD = "| Layer | Holds | Files | MB | MB compressed | Taken by |\n|---|---|---:|---:|---:|---|"
_X86_64 = Architecture.X86_64


@dataclass(frozen=True, slots=True)
class Row:
    """One layer.

    Attributes:
        layer: Which.
        holds: What is in it.
        files: How many files.
        content_bytes: Their sizes.
        compressed_bytes: Of the layer as a registry keeps it.
        taken_by: Which images have it.
    """

    layer: str
    holds: str
    files: int
    content_bytes: int
    compressed_bytes: int
    taken_by: str

    @classmethod
    def of(cls, layer: str, holds: str, archive: Archive, taken_by: str) -> "Row":
        """Measure an archive; registries keep gzip."""
        compressed = len(zlib.compress(archive.path.read_bytes(), 6))
        return cls(layer, holds, archive.files, archive.content_bytes, compressed, taken_by)

    def __str__(self) -> str:
        sizes = f"{self.content_bytes / 1e6:.3f} | {self.compressed_bytes / 1e6:.3f}"
        return f"| {self.layer} | {self.holds} | {self.files} | {sizes} | {self.taken_by} |"


def rows(workshop: Workshop, versions: Iterable[Version]) -> Iterator[Row]:
    """All layers, in the order of an image, and the models."""
    served = list(versions)
    for architecture in Architecture:
        folder = workshop.root / "layers/runtime"
        holds = f"`/opt/python`: `modelet_runtime`, {_packages(workshop, folder)}; `/opt/licenses`"
        layer = f"runtime, {architecture}"
        yield Row.of(layer, holds, workshop.runtime(architecture), f"all on {architecture}")
    for name in workshop.options:
        holds = f"`/opt/python`: {_packages(workshop, workshop.root / 'layers/options' / name)}"
        of_models = ", ".join(v.manifest.name for v in served if name in v.manifest.layers)
        taken_by = "all" if name in context.IN_EVERY_IMAGE else of_models
        yield Row.of(f"option `{name}`", holds, workshop.option(name, _X86_64), taken_by or "no example")
    handlers = " and ".join(f"`{name}`" for name in FUNCTIONS)
    yield Row.of("functions", f"`/var/task`: entry point, {handlers}", workshop.functions(), "all")
    for version in served:
        archive = context.stage(workshop, version, _X86_64).parts["model.tar"]
        yield Row.of(f"model `{version.manifest.name}`", "`/opt/model`", archive, "its own")


def render(page: str, table: Iterable[Row]) -> str:
    """Write the table of a page anew."""
    lines = "\n".join([_HEAD, *map(str, table)])
    return _PART.sub(lambda found: f"{found[1]}\n{lines}\n\n{found[2]}", page)


def _packages(workshop: Workshop, folder: Path) -> str:
    wheels = fetch(Definition.load(folder).requirements, _X86_64, workshop.build / "wheels")
    return ", ".join(f"{wheel.name} {wheel.version}" for wheel in wheels)


if __name__ == "__main__":
    repository = Repository(paths.root() / paths.MODELS)
    models = [version for model in repository.models() if (version := served_version(model))]
    path = Path(sys.argv[1])
    path.write_text(render(path.read_text(), rows(Workshop(paths.root()), models)))
