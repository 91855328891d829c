"""gzip and zstd, piece by piece, so that what a bomb unpacks to never lies in memory."""

import zlib
from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal

from modelet_runtime.batch.errors import InputRefused, InputTooLarge

Compression = Literal["", "gzip", "zstd"]
_PIECE_BYTES = 1024 * 1024
_ALWAYS_BYTES = 1024**3


def compression_of(head: bytes) -> Compression:
    """How an object is compressed, by its first bytes."""
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    return "zstd" if head[:4] == b"\x28\xb5\x2f\xfd" else ""


def unpack(pieces: Iterator[bytes], compression: Compression, limit_bytes: int) -> Iterator[bytes]:
    """Unpack a stream; several members or frames after one another are one stream.

    Raises:
        InputRefused: (400) It is broken or cut off.
        InputTooLarge: (413) It unpacks to more than the limit.
    """
    if not compression:
        yield from pieces
        return
    total = 0
    for piece in (_gunzip if compression == "gzip" else _unzstd)(pieces):
        total += len(piece)
        if total > limit_bytes:
            raise InputTooLarge(f"{compression}: it unpacks to more than {limit_bytes} bytes")
        yield piece


def limit_of(size_bytes: int, ratio: int) -> int:
    """How much an object of a size may unpack to."""
    return max(_ALWAYS_BYTES, size_bytes * ratio)


def _gunzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    has_begun = False
    for piece in pieces:
        data = piece
        while data:
            if unpacker.eof:
                data = data.lstrip(b"\0")  # tar pads its archives
                if not data:
                    break
                unpacker, has_begun = zlib.decompressobj(wbits=31), False
            try:
                out = unpacker.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise InputRefused(f"gzip: {error}") from error
            has_begun = True
            data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            if out:
                yield out
    while has_begun and not unpacker.eof:
        out = unpacker.decompress(unpacker.unconsumed_tail, _PIECE_BYTES)
        if not out:
            raise InputRefused("gzip: it is cut off")
        yield out


def _unzstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:  # Python before 3.14: the batch layer has the same library
        from backports import zstd  # noqa: PLC0415
    unpacker: Any = zstd.ZstdDecompressor()
    fed = False
    for piece in chain(pieces, [b""]):
        data = piece
        while data or (fed and not unpacker.eof and not unpacker.needs_input):
            if unpacker.eof:
                unpacker = zstd.ZstdDecompressor()
            try:
                out = unpacker.decompress(data, _PIECE_BYTES)
            except zstd.ZstdError as error:
                raise InputRefused(f"zstd: {error}") from error
            fed = True
            data = unpacker.unused_data if unpacker.eof else b""
            if out:
                yield out
    if fed and not unpacker.eof:
        raise InputRefused("zstd: it is cut off")
