"""One digest of everything a version is made from: equal digests build equal bytes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from modelet.build.sources import PACKAGE_PREFIX, file, files, function
from modelet.recipe import Recipe
from modelet.repository import RECIPE, VERSIONS, sha256

# Counts up when the toolchain would make other bytes from the same source.
REVISION = 2

# Notes for people, in the model's folder itself. In a folder below it they may be samples.
_NOTES = frozenset({".md", ".ipynb"})
_NEVER_READ = frozenset({RECIPE, VERSIONS, "aliases.toml", "__pycache__"})


def fingerprint(recipe: Recipe, folder: Path) -> str:
    """Digest the recipe, every file of the folder that a build may read, and what packages provide.

    A `train.py` may import and open any file of its folder, so all of them count. What does not: names
    that begin with a dot, and notes (`*.md`, `*.ipynb`) unless the recipe names them.

    Raises:
        SourceRefused: A file the recipe names is not there.
    """
    digest = hashlib.sha256(f"{REVISION}\n".encode())
    digest.update(recipe.canonical())
    found = {name: path for name, path in _own_files(folder) if path.suffix not in _NOTES or "/" in name}
    found.update(_named_files(recipe, folder))
    for name, path in sorted(found.items()):
        digest.update(f"\n{name}\0{sha256(path)}".encode())
    return digest.hexdigest()


def _own_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for entry in folder.iterdir():
        if entry.name in _NEVER_READ or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from ((f"{entry.name}/{name}", path) for name, path in _own_files(entry))
        elif entry.is_file():
            yield entry.name, entry


def _named_files(recipe: Recipe, folder: Path) -> Iterator[tuple[str, Path]]:
    """What the recipe names, in packages too; beside a package's graph its weights may lie."""
    model = recipe.model
    if model.source.startswith(PACKAGE_PREFIX):
        path = file(model.source, folder, "model.source").path
        beside = (entry for entry in path.parent.iterdir() if entry.is_file())
        yield from ((f"{model.source}:{entry.name}", entry) for entry in beside)
    labels = [model.labels] if isinstance(model.labels, str) else []
    for uri in (*model.assets, *labels, *([model.hooks] if model.hooks else [])):
        yield uri, file(uri, folder, "model.assets").path
    samples = recipe.golden.samples
    if samples and not function(samples, folder):
        for path in files(samples, folder, "golden.samples"):
            yield path.relative_to(folder).as_posix(), path
