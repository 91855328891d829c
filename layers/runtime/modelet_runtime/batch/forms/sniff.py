"""What an object is, by its bytes; names only decide where the bytes leave it open."""

from dataclasses import dataclass
from typing import Literal

import orjson

Form = Literal["jsonl", "csv", "parquet", "npy", "npz", "arrow", "arrow-stream", "manifest", "object"]

HEAD_BYTES = 64 * 1024
_MAGIC: tuple[tuple[bytes, Form], ...] = (
    (b"PAR1", "parquet"),
    (b"\x93NUMPY", "npy"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow-stream"),
)
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Guess:
    """What an object looks like.

    Attributes:
        form: Its form.
        delimiter: Between the cells of a table.
    """

    form: Form
    delimiter: str = ","


def media_type_of(body: bytes) -> str:
    """The media type of a single object."""
    for magic, media_type in _PICTURES:
        if body.startswith(magic):
            return media_type
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    if body.startswith(b"\x93NUMPY"):
        return "application/x-npy"
    if not is_text(body[:HEAD_BYTES]):
        return "application/octet-stream"
    return "application/json" if body.lstrip()[:1] in (b"{", b"[") else "text/plain"


def is_text(head: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters that no text has; a cut-off end may be torn."""
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and len(head) >= HEAD_BYTES - 3
    return True


def sniff(head: bytes, name: str, *, whole: bool) -> Guess:
    """Tell an object's form.

    Args:
        head: Its first bytes, unpacked.
        name: Its key, without the suffix of a compression.
        whole: Whether `head` is all of it.
    """
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return Guess(form)
    if head[:4] == b"PK\x03\x04" and head[30:].split(b"\0")[0][:255].find(b".npy") > 0:
        return Guess("npz")
    if not is_text(head):
        return Guess("object")
    return _text(head.removeprefix(_BOM), name.lower(), whole=whole)


def _text(head: bytes, name: str, *, whole: bool) -> Guess:
    lines = [line for line in head.split(b"\n") if line.strip()]
    if not whole and len(lines) > 1:
        lines.pop()  # it may be torn
    if not lines:
        return Guess("csv" if name.endswith((".csv", ".tsv")) else "jsonl")
    form = _json_form(lines, name, whole=whole)
    if form:
        return Guess(form)
    delimiter = "\t" if name.endswith(".tsv") else _delimiter(lines)
    return Guess("csv", delimiter or ",") if delimiter or name.endswith(".csv") else Guess("object")


def _json_form(lines: list[bytes], name: str, *, whole: bool) -> Form | None:
    first = _json(lines[0])
    is_document = name.endswith(".json") and whole and len(lines) == 1
    if first is not _NONE and not is_document:
        if _is_uri(first):
            return "manifest"
        # A column of numbers is JSON too, line by line; its name tells.
        if isinstance(first, (dict, list)) or not name.endswith((".csv", ".tsv", ".txt")):
            return "jsonl"
    return "jsonl" if name.endswith((".jsonl", ".ndjson")) else None


_NONE = object()


def _json(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _NONE


def _is_uri(value: object) -> bool:
    uri = value.get("uri") if isinstance(value, dict) else value
    return isinstance(uri, str) and uri.startswith("s3://")


def _delimiter(lines: list[bytes]) -> str:
    """What splits the first lines into equally many cells; nothing if nothing does."""
    some = lines[:20]
    for delimiter in (b",", b"\t", b";"):
        counts = {line.count(delimiter) for line in some}
        if len(some) > 1 and len(counts) == 1 and counts != {0}:
            return delimiter.decode()
    return ""
