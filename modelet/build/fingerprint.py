"""One digest of everything a version is made from: equal digests build equal bytes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from modelet.build.sources import PACKAGE_PREFIX, file
from modelet.recipe import Recipe
from modelet.repository import RECIPE, VERSIONS, sha256

# Counts up when the toolchain would make other bytes from the same source.
REVISION = 1

# Files of a model's folder that no build reads.
_IGNORED_NAMES = frozenset({RECIPE, VERSIONS, "aliases.toml", "__pycache__"})
_IGNORED_SUFFIXES = frozenset({".md", ".ipynb", ".pyc"})


def fingerprint(recipe: Recipe, folder: Path) -> str:
    """Digest the recipe, every file of the folder that a build may read, and what packages provide.

    A `train.py` may import and open any file beside it, so all of them count; notes (`*.md`, `*.ipynb`)
    and names that begin with a dot do not.

    Raises:
        SourceRefused: A file the recipe names is not there.
    """
    digest = hashlib.sha256(f"{REVISION}\n".encode())
    digest.update(recipe.canonical())
    for name, path in (*_own_files(folder), *_packaged_files(recipe, folder)):
        digest.update(f"\n{name}\0{sha256(path)}".encode())
    return digest.hexdigest()


def _own_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for entry in sorted(folder.iterdir()):
        if entry.name in _IGNORED_NAMES or entry.name.startswith(".") or entry.suffix in _IGNORED_SUFFIXES:
            continue
        if entry.is_dir():
            yield from ((f"{entry.name}/{name}", path) for name, path in _own_files(entry))
        elif entry.is_file():
            yield entry.name, entry


def _packaged_files(recipe: Recipe, folder: Path) -> Iterator[tuple[str, Path]]:
    """A package's source with the files beside it, which may hold its weights, and its assets."""
    if recipe.model.source.startswith(PACKAGE_PREFIX):
        path = file(recipe.model.source, folder, "model.source").path
        beside = sorted(entry for entry in path.parent.iterdir() if entry.is_file())
        yield from ((f"{recipe.model.source}:{entry.name}", entry) for entry in beside)
    labels = [recipe.model.labels] if isinstance(recipe.model.labels, str) else []
    for uri in (*recipe.model.assets, *labels):
        if uri.startswith(PACKAGE_PREFIX):
            yield uri, file(uri, folder, "model.assets").path
