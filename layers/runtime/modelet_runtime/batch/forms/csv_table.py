"""CSV in: rows are records where there is a header, else lists of cells, as on the online route."""

import csv
from collections.abc import Generator, Mapping, Sequence
from io import StringIO
from itertools import islice
from typing import Any, Literal, overload

from modelet_runtime.batch.errors import InputRefused, InputTooLarge
from modelet_runtime.batch.forms.base import Chunk, Row
from modelet_runtime.batch.forms.lines import Text
from modelet_runtime.errors import InvalidRequest
from modelet_runtime.protocols.table import is_name
from modelet_runtime.steps.base import Cell

Header = Literal["auto", "present", "absent"]


class CsvReader:
    """One record per row; a row of another width fails alone.

    Args:
        text: The slice, quoted.
        delimiter: Between cells.
        names: The header, where the slice is not the first; None reads it.
        width: Cells per row, then.
        header: Whether there is a header line, where the slice is the first.
        keep: Columns the results repeat; None is none of them, empty all.
        max_columns: More are a bomb.
    """

    def __init__(
        self,
        text: Text,
        delimiter: str = ",",
        header: Header = "auto",
        known: Mapping[str, Any] | None = None,
        keep: Sequence[str] | None = None,
        max_columns: int = 10_000,
    ) -> None:
        self._text = text
        self._delimiter = delimiter
        self._header = header
        self._known = known
        self._keep = keep
        self._max_columns = max_columns

    def chunks(self, position: Any) -> Generator[Chunk]:
        """Parse piece by piece."""
        known = self._known if position is None else position["known"]
        first = 0 if position is None else position["row"]
        for begin, piece in self._text.pieces(None if position is None else position["offset"]):
            lines = self._lines(piece, begin)
            if known is None:
                if not lines:
                    continue
                known = head_of(lines[0], self._header)
                if known["names"] is not None:
                    lines = lines[1:]
            names, width = known["names"], known["width"]
            end = begin + len(piece)
            yield Chunk(
                first=first,
                rows=len(lines),
                values=CellRows(lines, names, width),
                columns=None,
                refer=lambda row: {},
                kept=self._kept(lines, names),
                position={"offset": end, "row": first + len(lines), "known": known},
                bytes_done=end - self._text.start,
            )
            first += len(lines)

    def _lines(self, piece: bytes, begin: int) -> list[list[str]]:
        try:
            text = piece.decode("utf-8-sig" if begin <= 3 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputRefused(f"csv: byte {begin + error.start} is not UTF-8") from error
        # Counted before the cells are made: a line of 10^9 commas never becomes a list.
        longest = max(map(len, piece.split(b"\n")), default=0)
        if longest > self._max_columns:
            most = max(line.count(self._delimiter.encode()) + 1 for line in piece.split(b"\n"))
            if most > self._max_columns:
                raise InputTooLarge(
                    f"csv: {most} columns near byte {begin}, expected {self._max_columns} at most"
                )
        try:
            reader = csv.reader(StringIO(text, newline=""), strict=True, delimiter=self._delimiter)
            return [line for line in reader if line]
        except csv.Error as error:
            raise InputRefused(f"csv: near byte {begin}: {error}") from error

    def _kept(
        self, lines: Sequence[Sequence[str]], names: Sequence[str] | None
    ) -> list[dict[str, Any]] | None:
        if self._keep is None:
            return None
        if names is None:
            raise InputRefused("keep: the table has no header, so its columns have no names")
        wanted = {name: names.index(name) for name in (self._keep or names) if name in names}
        if missing := set(self._keep) - set(names):
            raise InputRefused(f"keep: the table has no column {', '.join(sorted(missing))}")
        return [{name: line[at] if at < len(line) else None for name, at in wanted.items()} for line in lines]


def head_of(line: Sequence[str], header: Header) -> dict[str, Any]:
    """What the first line says: names, if it is a header, and how wide rows are.

    Raises:
        InputRefused: (400) A column comes twice.
    """
    if header == "absent" or (header == "auto" and not all(map(is_name, line))):
        return {"names": None, "width": len(line)}
    if len(set(line)) != len(line):
        raise InputRefused(f"csv header: expected each column once, got {', '.join(line)[:80]}")
    return {"names": list(line), "width": len(line)}


def first_line(data: bytes, delimiter: str) -> list[str]:
    """The first row of a table's beginning."""
    text = data.decode("utf-8-sig", errors="replace")
    for line in islice(csv.reader(StringIO(text, newline=""), delimiter=delimiter), 1000):
        if line:
            return line
    return []


class CellRows(Sequence[Row]):
    """Rows of a table, as cells until somebody asks for one as a value.

    Attributes:
        lines: The cells' texts.
        names: The columns, where there is a header.
        width: Cells that a row should have.
    """

    def __init__(self, lines: Sequence[Sequence[str]], names: Sequence[str] | None, width: int) -> None:
        self.lines = lines
        self.names = names
        self.width = width

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "CellRows": ...
    def __getitem__(self, index: int | slice) -> "Row | CellRows":
        if isinstance(index, slice):
            return CellRows(self.lines[index], self.names, self.width)
        line = self.lines[index]
        if len(line) != self.width:
            return InvalidRequest("csv row", f"{self.width} cells", str(len(line)))
        cells = map(Cell, line)
        return list(cells) if self.names is None else dict(zip(self.names, cells, strict=True))
