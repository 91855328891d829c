"""Writes version folders: whole or not at all, whenever the process is killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Git ignores these; a build that was killed leaves one, and the next build removes it.
STAGING_PREFIX = ".building-"
_FOLDER_MODE = 0o755
_FILE_MODE = 0o644  # Lambda runs functions as another user


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other builds of the same model waiting; the lock ends with the process, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def staging(versions: Path) -> Iterator[Path]:
    """A folder beside the versions to build in; what is left in it at the end is removed."""
    versions.mkdir(exist_ok=True)
    for left_over in versions.glob(f"{STAGING_PREFIX}*"):
        shutil.rmtree(left_over)
    folder = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=versions))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            versions.rmdir()  # only if it is empty: a refused model leaves nothing


def publish(staged: Path, version: Path) -> None:
    """Turn a complete folder into a version.

    The rename is the one step that makes it visible, and every byte is on the disk before it.
    """
    for file in staged.iterdir():
        _settle(file)
    staged.chmod(_FOLDER_MODE)
    _sync(staged)
    staged.rename(version)
    _sync(version.parent)


def replace(staged: Path, file: Path) -> None:
    """Put one staged file in the place of one of a version, at once."""
    _settle(staged)
    staged.replace(file)
    _sync(file.parent)


def _settle(file: Path) -> None:
    file.chmod(_FILE_MODE)
    _sync(file)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
