"""A version's files are the ones that were built."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from modelet_runtime.errors import ArtifactError
from modelet_runtime.manifest import FileDigest


def verify(folder: Path, files: Mapping[str, FileDigest], names: Iterable[str]) -> None:
    """Compare files of a version with the manifest's digests.

    Raises:
        ArtifactError: A file is missing, or is not the one that was built.
    """
    for name in sorted(names):
        if name not in files:
            raise ArtifactError(f"{folder / name}: the manifest has no digest of it")
        try:
            with (folder / name).open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ArtifactError(f"{folder / name}: {error.strerror}") from error
        if actual != files[name].sha256:
            raise ArtifactError(f"{folder / name}: expected sha256 {files[name].sha256}, got {actual}")
