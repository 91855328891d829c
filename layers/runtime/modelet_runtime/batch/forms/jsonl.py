"""JSON Lines in."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import orjson

from modelet_runtime.batch.forms.base import Chunk, Row
from modelet_runtime.batch.forms.lines import Text
from modelet_runtime.errors import InvalidRequest, ModeletError
from modelet_runtime.protocols.json_codec import loads
from modelet_runtime.steps.b64 import from_b64, is_b64


class JsonLinesReader:
    """One JSON value per line; blank lines are no rows.

    Args:
        text: The slice.
        keep: Keys that the results repeat; None is none of them, empty all.
    """

    def __init__(self, text: Text, keep: Sequence[str] | None = None) -> None:
        self._text = text
        self._keep = keep

    def chunks(self, position: Any) -> Generator[Chunk]:
        """Parse piece by piece."""
        first = 0 if position is None else position["row"]
        for begin, piece in self._text.pieces(None if position is None else position["offset"]):
            values = parse(piece)
            end = begin + len(piece)
            yield Chunk(
                first=first,
                rows=len(values),
                values=values,
                columns=None,
                refer=_Referrer(begin, piece),
                kept=self._kept(values),
                position={"offset": end, "row": first + len(values)},
                bytes_done=end - self._text.start,
            )
            first += len(values)

    def _kept(self, values: Sequence[Row]) -> list[Mapping[str, Any]] | None:
        if self._keep is None:
            return None
        rows = [value if isinstance(value, dict) else {} for value in values]
        return [{name: row.get(name) for name in self._keep} if self._keep else row for row in rows]


def parse(piece: bytes) -> list[Row]:
    """The values of a piece's lines; a line that is not JSON is its error."""
    lines = piece.split(b"\n")
    if b"" in lines or b"\r" in piece or b"\n " in piece or b"\n\t" in piece or piece[:1] in b" \t":
        lines = [line for line in lines if line.strip()]
    try:
        values: list[Row] = list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        values = list(map(_value, lines))
    if any(type(value) is dict and len(value) == 1 and "b64" in value for value in values):
        values = [_bytes(value) for value in values]
    return values


def _value(line: bytes) -> Row:
    try:
        return loads(line)
    except ModeletError as error:
        return error


def _bytes(value: Row) -> Row:
    try:
        return from_b64(value) if is_b64(value) else value
    except ModeletError as error:
        return error


class _Referrer:
    """Where the line of a row lies; looked for only when the row failed."""

    def __init__(self, begin: int, piece: bytes) -> None:
        self._begin = begin
        self._piece = piece

    def __call__(self, row: int) -> dict[str, Any]:
        at = 0
        for line in self._piece.split(b"\n"):
            if line.strip():
                if row == 0:
                    return {"offset": self._begin + at, "bytes": len(line)}
                row -= 1
            at += len(line) + 1
        raise InvalidRequest("row", "one of the chunk", str(row))
