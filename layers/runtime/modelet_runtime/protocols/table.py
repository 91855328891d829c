"""CSV, the way spreadsheets and data frames write it."""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.steps.base import Answer, Cell, Value

# The parser's own limit of a cell is one for the whole process; whoever hands it a text has bounded that.
csv.field_size_limit(2**31 - 1)


def read(text: str, header: str | None) -> list[Value]:
    """Read rows: `{column: cell}` where there is a header line, else lists of cells.

    Args:
        text: The table.
        header: `present` or `absent`, the parameter of the media type; without it the first line
            is a header if none of its cells is empty or a number.

    Raises:
        InvalidRequest: (400) A quote is left open, a row has another width, a column comes twice.

    Source: https://www.rfc-editor.org/rfc/rfc4180
    """
    try:
        lines = [line for line in csv.reader(StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise InvalidRequest("csv", "a table", str(error)) from error
    if header not in (None, "present", "absent"):
        raise InvalidRequest("content-type: header", "present or absent", str(header))
    if not lines:
        return []
    width = len(lines[0])
    for number, line in enumerate(lines):
        if len(line) != width:
            raise InvalidRequest(f"csv line {number + 1}", f"{width} cells", str(len(line)))
    if header == "absent" or (header is None and not all(map(is_name, lines[0]))):
        return [list(map(Cell, line)) for line in lines]
    names = lines[0]
    if len(set(names)) != width:
        raise InvalidRequest("csv header", "each column once", ", ".join(names)[:80])
    return [dict(zip(names, map(Cell, line), strict=True)) for line in lines[1:]]


def write(answers: Sequence[Answer]) -> str:
    """Write a line per answer under a header; what is nested gets a column `outer.inner`."""
    rows = [dict(_columns(answer, "")) for answer in answers]
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([name or "prediction" for name in names])
    writer.writerows([to_text(row.get(name)) for name in names] for row in rows)
    return out.getvalue()


def is_name(cell: str) -> bool:
    """Whether a cell of the first line can be a column's name: neither empty nor a number."""
    try:
        float(cell)
    except ValueError:
        return bool(cell.strip())
    return False


def _columns(answer: Answer, prefix: str) -> Iterator[tuple[str, Answer]]:
    if isinstance(answer, dict):
        items = list(answer.items())
    elif isinstance(answer, (list, tuple)):
        items = list(enumerate(answer))
    else:
        yield prefix, answer
        return
    for name, value in items:
        yield from _columns(value, f"{prefix}.{name}" if prefix else str(name))


def to_text(value: Answer) -> str:
    """A cell as it is written: nothing for what is missing or no finite number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    is_missing = value is None or (isinstance(value, float) and value - value != 0)
    return "" if is_missing else str(value)
