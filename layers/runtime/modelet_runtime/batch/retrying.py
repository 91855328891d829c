"""Only the rows that failed before: an input read again beside the list of its failures."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import orjson

from modelet_runtime.batch.errors import InputRefused
from modelet_runtime.batch.forms.arrays import rows_of
from modelet_runtime.batch.forms.base import Chunk, Limits, Row, Source
from modelet_runtime.batch.forms.lines import Text


def only_rows(chunks: Generator[Chunk], errors: Source, limits: Limits) -> Generator[Chunk]:
    """Chunks without the rows that an errors file does not name; the results get a column `row`."""
    numbers = _numbers(errors, limits)
    wanted = next(numbers, None)
    for chunk in chunks:
        rows: list[int] = []
        while wanted is not None and wanted < chunk.first + chunk.rows:
            if wanted >= chunk.first:
                rows.append(wanted - chunk.first)
            wanted = next(numbers, None)
        if rows:
            yield _picked(chunk, rows)
        if wanted is None:
            return


def _numbers(errors: Source, limits: Limits) -> Iterator[int]:
    for _, piece in Text(errors, limits).pieces(None):
        for line in piece.splitlines():
            try:
                yield int(orjson.loads(line)["row"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputRefused(f"{errors.ref.key}: it is no list of failures") from error


def _picked(chunk: Chunk, rows: Sequence[int]) -> Chunk:
    values: list[Row]
    if chunk.values is not None:
        values = [chunk.values[row] for row in rows]
    else:
        columns: Any = chunk.columns
        picked = [rows_of(columns, row) for row in rows]
        values = [row["array"] if list(row) == ["array"] else row for row in picked]
    numbers = [chunk.first + row for row in rows]
    kept = chunk.kept or [{}] * chunk.rows
    return Chunk(
        first=chunk.first,
        rows=len(rows),
        values=values,
        columns=None,
        refer=lambda row: chunk.refer(rows[row]),
        kept=[{"row": chunk.first + row, **kept[row]} for row in rows],
        numbers=numbers,
        position=chunk.position,
        bytes_done=chunk.bytes_done,
    )
