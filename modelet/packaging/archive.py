"""Files as image layers take them: a tar archive whose bytes depend on names and contents alone.

Times, owners, modes and order are fixed, so equal files give equal archives on every machine. An
archive is kept with a record beside it, and made again only when the inputs it names have changed.
"""

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

# Posix paths relative to the image's root, and what stands there: bytes, or a file to read them from.
Tree = Mapping[str, bytes | Path]

# 1980-01-01, the first time a zip archive can hold; the usual constant of reproducible builds.
EPOCH_S = 315_532_800
DIRECTORY_MODE = 0o755
FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Archive:
    """A tar archive on disk.

    Attributes:
        path: Where it lies.
        inputs: Digest of what it was made from.
        sha256: Digest of its bytes: the digest of the image layer before compression.
        content_bytes: The sum of its files' sizes.
        files: How many files it holds.
        notes: What its maker wants remembered, such as the compiler of its bytecode.
    """

    path: Path
    inputs: str
    sha256: str
    content_bytes: int
    files: int
    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Made:
    """What the maker of an archive hands over: its files, and notes for the record."""

    tree: Tree
    notes: Mapping[str, str]


def keep(path: Path, inputs: str, make: Callable[[], Made]) -> Archive:
    """The archive at `path`, made only when it is missing or was made from other inputs."""
    record = path.with_suffix(".json")
    try:
        known = Archive(path, **json.loads(record.read_bytes()))
        if known.inputs == inputs and path.exists():
            return known
    except (OSError, ValueError, TypeError):
        pass  # no record, or one of another version: make it
    made = make()
    write(made.tree, path)
    sizes = [_size(content) for content in made.tree.values()]
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    archive = Archive(path, inputs, sha256, sum(sizes), len(sizes), dict(made.notes))
    document = {name: value for name, value in asdict(archive).items() if name != "path"}
    record.write_text(json.dumps(document, indent=2) + "\n")
    return archive


def write(tree: Tree, path: Path) -> None:
    """Write `tree` as a tar archive, in one step as far as a reader can tell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:
        staging = Path(name) / path.name
        with tarfile.open(staging, mode="w", format=tarfile.PAX_FORMAT) as tar:
            # Builders take a tar without a single member for an ordinary file, hence the folder.
            for folder in _folders(tree) or ["opt"]:
                tar.addfile(_member(folder, tarfile.DIRTYPE, DIRECTORY_MODE, 0))
            for entry in sorted(tree):
                _add(tar, entry, tree[entry])
        os.replace(staging, path)


def unpack(archive: Archive) -> Path:
    """The archive's files as a folder beside it, to look at and to run from."""
    folder = archive.path.with_suffix("")
    if folder.exists() and folder.stat().st_mtime_ns > archive.path.stat().st_mtime_ns:
        return folder
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
        staging = Path(name) / folder.name
        staging.mkdir()
        with tarfile.open(archive.path) as tar:
            tar.extractall(staging, filter="tar")
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    return folder


def _add(tar: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    member = _member(name, tarfile.REGTYPE, FILE_MODE, _size(content))
    if isinstance(content, bytes):
        tar.addfile(member, BytesIO(content))
        return
    with content.open("rb") as file:
        tar.addfile(member, file)


def _member(name: str, kind: bytes, mode: int, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.mtime = kind, mode, size, EPOCH_S
    return member


def _folders(tree: Tree) -> list[str]:
    """Every folder above the files, outermost first."""
    parents = {str(parent) for name in tree for parent in PurePosixPath(name).parents}
    return sorted(parents - {"."})


def _size(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
