"""JSON Lines in."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, overload

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
            # Kept columns are looked up in every row, so that rows are parsed once.
            values = LineRows.of(piece) if self._keep is None else parse(piece)
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
    return list(LineRows.of(piece))


class LineRows(Sequence[Row]):
    """Rows of a text, as lines until somebody asks for one as a value.

    Attributes:
        lines: One per row.
    """

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines

    @classmethod
    def of(cls, piece: bytes) -> "LineRows":
        """The rows of a piece; blank lines are none."""
        return cls([line for line in piece.split(b"\n") if line and not line.isspace()])

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Row]:
        return map(_value, self.lines)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "LineRows": ...
    def __getitem__(self, index: int | slice) -> "Row | LineRows":
        if isinstance(index, slice):
            return LineRows(self.lines[index])
        return _value(self.lines[index])


def _value(line: bytes) -> Row:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _unusual(line)
    return _bytes(value) if type(value) is dict and len(value) == 1 and "b64" in value else value


def _unusual(line: bytes) -> Row:
    """What orjson does not take: bare NaN, for one."""
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
