"""What is in an image, read from its OCI layout with the standard library alone."""

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

# How Lambda cuts an image's flattened file system to find equal parts.
# Source: Brooker et al., "On-demand Container Loading in AWS Lambda", USENIX ATC 2023
CHUNK_BYTES = 512 * 1024
# Files begin on blocks of the file system that the image is flattened to.
_BLOCK_BYTES = 4096


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        digest: Of its uncompressed bytes.
        path: The blob.
    """

    digest: str
    path: Path

    @cached_property
    def files(self) -> Mapping[str, tuple[int, str]]:
        """Size and sha256 of each regular file, in the order of the archive."""
        with tarfile.open(self.path) as tar:
            return {
                _name(member): (
                    member.size,
                    hashlib.file_digest(tar.extractfile(member), "sha256").hexdigest(),
                )  # type: ignore[arg-type]
                for member in tar
                if member.isfile()
            }

    @cached_property
    def members(self) -> list[tarfile.TarInfo]:
        """Everything in it, as the archive says."""
        with tarfile.open(self.path) as tar:
            return tar.getmembers()

    @property
    def content_bytes(self) -> int:
        """The sum of its files' sizes."""
        return sum(size for size, _ in self.files.values())

    def read(self, name: str) -> bytes:
        """One file's content."""
        with tarfile.open(self.path) as tar:
            for member in tar:
                if _name(member) == name:
                    return tar.extractfile(member).read()  # type: ignore[union-attr]
        raise FileNotFoundError(name)


class Image:
    """An image in an OCI layout folder that holds no other."""

    def __init__(self, layout: Path) -> None:
        self._blobs = layout / "blobs" / "sha256"
        (self.descriptor,) = json.loads((layout / "index.json").read_bytes())["manifests"]
        self.manifest: dict[str, Any] = self._read(self.descriptor["digest"])
        self.config: dict[str, Any] = self._read(self.manifest["config"]["digest"])
        digests = self.config["rootfs"]["diff_ids"]
        self.layers = [
            Layer(digest, self._blob(layer["digest"]))
            for digest, layer in zip(digests, self.manifest["layers"], strict=True)
        ]

    @property
    def digest(self) -> str:
        """Of the configuration, and so of everything in the image."""
        return str(self.manifest["config"]["digest"])

    def chunks(self) -> set[bytes]:
        """The distinct chunks of the image's file system, layer after layer as they are unpacked."""
        return set(_chunks(self._flattened()))

    def _flattened(self) -> Iterator[bytes]:
        last = {name: number for number, layer in enumerate(self.layers) for name in layer.files}
        for number, layer in enumerate(self.layers):
            with tarfile.open(layer.path) as tar:
                for member in tar:
                    if member.isfile() and last[_name(member)] == number:
                        content = tar.extractfile(member).read()  # type: ignore[union-attr]
                        yield content + bytes(-len(content) % _BLOCK_BYTES)

    def _blob(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix("sha256:")

    def _read(self, digest: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._blob(digest).read_bytes())
        return document


def _chunks(contents: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for content in contents:
        rest += content
        whole = len(rest) - len(rest) % CHUNK_BYTES
        for start in range(0, whole, CHUNK_BYTES):
            yield hashlib.sha256(rest[start : start + CHUNK_BYTES]).digest()
        rest = rest[whole:]
    yield hashlib.sha256(rest).digest()


def _name(member: tarfile.TarInfo) -> str:
    return str(PurePosixPath(member.name))
