"""The archive of a model repository: the same bytes for the same files."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

# Weights hardly get smaller, and larger ones would take minutes.
_LEVEL = 1
_MODE = 0o644


def write_archive(target: Path, files: Mapping[str, Path | bytes]) -> None:
    """Write a `.tar.gz` without times, owners or modes of this machine.

    Args:
        target: The archive.
        files: By relative path.
    """
    with (
        target.open("wb") as file,
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(files):
            content = files[path]
            member = tarfile.TarInfo(path)
            member.mode = _MODE
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.size = content.stat().st_size
                with content.open("rb") as source:
                    archive.addfile(member, source)
