"""What the keys of `model.toml` point to: files of the folder, files of packages, functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from modelet.build.converters import CONVERTERS, reader_of
from modelet.errors import SourceRefused
from modelet.extras import missing

PACKAGE_PREFIX = "pkg:"
_FUNCTION = re.compile(r"(?P<file>[\w./-]+\.py):(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class File:
    """A file that a recipe names.

    Attributes:
        path: Where it is.
        is_packaged: Whether it belongs to an installed package.
    """

    path: Path
    is_packaged: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a Python file in the model's folder, as `train.py:build`."""

    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.name}"


def source(uri: str, folder: Path) -> File | Function:
    """Find what `model.source` names.

    Raises:
        SourceRefused: It is neither a model's file that is there nor a function of a file that is.
    """
    if found := function(uri, folder):
        return found
    if not reader_of(uri):
        suffixes = [suffix for converter in CONVERTERS.values() for suffix in converter.suffixes]
        raise SourceRefused(
            f"model.source: '{uri}' is no source that modelet reads",
            f"name a file ({', '.join(suffixes)}) of the folder or as pkg:<package>/<path>, or a function"
            " such as train.py:build",
        )
    return file(uri, folder, "model.source")


def function(uri: str, folder: Path) -> Function | None:
    """Find a function of the folder; None if the text has another form.

    Raises:
        SourceRefused: Its file is not there.
    """
    matched = _FUNCTION.fullmatch(uri)
    if not matched:
        return None
    file(matched["file"], folder, uri)
    return Function(matched["file"], matched["name"])


def file(uri: str, folder: Path, key: str) -> File:
    """Find a file of the model's folder or of an installed package.

    Args:
        uri: A path relative to the folder, or `pkg:<package>/<path>`.
        folder: The model's folder.
        key: The recipe's key, for errors.

    Raises:
        SourceRefused: It is not there, or not inside of the folder or package.
    """
    if uri.startswith(PACKAGE_PREFIX):
        return File(_packaged(uri, key), is_packaged=True)
    if not _is_inside(uri):
        raise SourceRefused(
            f"{key}: '{uri}' is not inside the model's folder",
            f"copy the file into {folder} and name it there",
        )
    path = folder / uri
    if not path.is_file():
        raise SourceRefused(f"{key}: {path} is not there", "put the file there, or correct the key")
    return File(path, is_packaged=False)


def files(pattern: str, folder: Path, key: str) -> list[Path]:
    """All files that a glob of the folder matches, by name.

    Raises:
        SourceRefused: There are none, or the pattern leaves the folder.
    """
    if not _is_inside(pattern):
        raise SourceRefused(
            f"{key}: '{pattern}' is not inside the model's folder", "name files of the folder"
        )
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        raise SourceRefused(f"{key}: no file matches {folder / pattern}", "add files, or correct the pattern")
    return found


def _packaged(uri: str, key: str) -> Path:
    package, _, inner = uri.removeprefix(PACKAGE_PREFIX).partition("/")
    if not package.isidentifier() or not inner or not _is_inside(inner):
        raise SourceRefused(f"{key}: expected pkg:<package>/<path>, got '{uri}'")
    locations = list(_locations(package))
    if not locations:
        raise missing(package) or SourceRefused(
            f"{key}: package '{package}' is not installed", f"install what provides '{package}'"
        )
    for location in locations:
        if (location / inner).is_file():
            return location / inner
    raise SourceRefused(f"{key}: package '{package}' has no file '{inner}'", "correct the path")


def _locations(package: str) -> Iterator[Path]:
    """The folders of a package; finding a top-level package does not run it."""
    spec = find_spec(package)
    for location in (spec and spec.submodule_search_locations) or ():
        yield Path(location)


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool(path) and not pure.is_absolute() and ".." not in pure.parts
