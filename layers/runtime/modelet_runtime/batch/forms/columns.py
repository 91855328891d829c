"""Parquet and Arrow in: columns become tensors where they can, values row by row where not."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import IO, Any, cast

from modelet_runtime.batch.errors import InputRefused, InputTooLarge, RunFailed
from modelet_runtime.batch.forms import parquet_footer
from modelet_runtime.batch.forms.arrow_memory import batches, to_tensor
from modelet_runtime.batch.forms.base import Chunk, Limits, Source, no_reference
from modelet_runtime.batch.forms.ranged import RangedFile
from modelet_runtime.tensor import Tensor

_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Table:
    """How record batches become chunks.

    Attributes:
        wanted: The graph's inputs: where the table has columns of these names, only they are read.
        keep: Columns the results repeat; None is none of them, empty all.
    """

    wanted: Sequence[str] = ()
    keep: Sequence[str] | None = None

    def chunk(self, batch: Any, first: int, position: Any, bytes_done: int) -> Chunk:
        """One record batch."""
        names = list(batch.schema.names)
        used = list(self.wanted) if self.wanted and set(self.wanted) <= set(names) else names
        columns = _tensors(batch, used)
        return Chunk(
            first=first,
            rows=batch.num_rows,
            values=None if columns is not None else _records(batch, used),
            columns=columns,
            refer=no_reference,
            kept=self._kept(batch, names),
            position=position,
            bytes_done=bytes_done,
        )

    def _kept(self, batch: Any, names: Sequence[str]) -> list[dict[str, Any]] | None:
        if self.keep is None:
            return None
        if missing := set(self.keep) - set(names):
            raise InputRefused(f"keep: the table has no column {', '.join(sorted(missing))}")
        return _records(batch, list(self.keep) or list(names))


def _tensors(batch: Any, names: Sequence[str]) -> dict[str, Tensor] | None:
    """The columns as tensors; None if one of them cannot be."""
    found = {}
    for name in names:
        tensor = to_tensor(name, batch.column(name))
        if tensor is None:
            return None
        found[name] = tensor
    return found


def _records(batch: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    columns = [batch.column(name).to_pylist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True)
class ParquetReader:
    """Row groups `[start, end)`, each fetched as a whole and decoded on the way."""

    source: Source
    table: Table = field(default_factory=Table)
    limits: Limits = field(default_factory=Limits)
    start: int = 0
    end: int = -1

    def chunks(self, position: Any) -> Generator[Chunk]:
        """Decode one row group after the other."""
        from arro3.io import read_parquet  # noqa: PLC0415  only tables pay for it

        footer = parquet_footer.read_footer(self.source.load, self.source.ref.size_bytes)
        groups = footer.row_groups[self.start : len(footer.row_groups) if self.end < 0 else self.end]
        resumed = position or {"group": 0, "skip": 0, "row": 0}
        first, skip = resumed["row"], resumed["skip"]
        begin = resumed["group"]
        if begin < len(groups) and skip >= groups[begin].rows:
            begin, skip = begin + 1, 0
        done = sum(map(_size_bytes, groups[:begin]))
        for number, (group, file) in enumerate(self._files(footer, groups[begin:]), begin):
            rows = _rows_at_once(group.rows, group.unpacked_bytes, self.limits)
            at = 0
            for at, batch in _skipped(
                _decoded(partial(read_parquet, file, batch_size=rows), "parquet"), skip
            ):
                after = {"group": number, "skip": at, "row": first + batch.num_rows}
                yield self.table.chunk(batch, first, after, done + _size_bytes(group) * at // group.rows)
                first += batch.num_rows
            if at != group.rows:
                raise InputRefused(f"parquet: expected {group.rows} rows in row group {number}, got {at}")
            done, skip = done + _size_bytes(group), 0

    def _files(
        self, footer: parquet_footer.Footer, groups: Sequence[parquet_footer.RowGroup]
    ) -> Iterator[tuple[parquet_footer.RowGroup, bytes]]:
        """Row groups as files of their own; the next is fetched meanwhile, where there is room for both."""
        with ThreadPoolExecutor(1, thread_name_prefix="modelet-get") as pool:
            fetched: Future[bytes] | None = None
            for group, following in zip_longest(groups, groups[1:]):
                body = fetched.result() if fetched else self._load(group)
                file = parquet_footer.alone(footer, group, body)
                del body
                room = self.limits.group_bytes - _size_bytes(group)
                has_room = following is not None and _size_bytes(following) <= room
                fetched = pool.submit(self._load, following) if has_room else None
                yield group, file

    def _load(self, group: parquet_footer.RowGroup) -> bytes:
        if _size_bytes(group) > self.limits.group_bytes:
            raise InputTooLarge(f"parquet: a row group of {_size_bytes(group)} bytes: write smaller ones")
        return b"".join(self.source.stream(group.start, group.end, self.limits))


def _size_bytes(group: parquet_footer.RowGroup) -> int:
    return group.end - group.start


@dataclass(frozen=True, slots=True)
class ArrowReader:
    """Arrow's IPC file or stream, from front to end."""

    source: Source
    table: Table = field(default_factory=Table)
    limits: Limits = field(default_factory=Limits)
    is_stream: bool = False

    def chunks(self, position: Any) -> Generator[Chunk]:
        """Decode one record batch after the other."""
        from arro3.io import read_ipc, read_ipc_stream  # noqa: PLC0415  only tables pay for it

        skip = 0 if position is None else position["row"]
        with RangedFile(self.source, self.limits) as file:
            stream = cast("IO[bytes]", file)
            decoded = _decoded(partial(read_ipc_stream if self.is_stream else read_ipc, stream), "arrow")
            for at, batch in _skipped(_smaller(decoded, self.limits), skip):
                yield self.table.chunk(batch, at - batch.num_rows, {"row": at}, file.bytes_read)


def _smaller(whole: Iterator[Any], limits: Limits) -> Iterator[Any]:
    """Record batches of a size that is worked on at once."""
    for batch in whole:
        step = _rows_at_once(batch.num_rows, sum(column.nbytes for column in batch.columns), limits)
        for start in range(0, batch.num_rows, step):
            yield batch.slice(start, min(step, batch.num_rows - start))


def _skipped(whole: Iterator[Any], rows: int) -> Iterator[tuple[int, Any]]:
    """Record batches without their first rows, each with how many rows there are up to its end."""
    at = 0
    for batch in whole:
        before, at = at, at + batch.num_rows
        if at > rows:
            yield at, batch if before >= rows else batch.slice(rows - before)


def _rows_at_once(rows: int, size_bytes: int, limits: Limits) -> int:
    return max(1, min(_ROWS, rows * 4 * limits.chunk_bytes // max(1, size_bytes)))


def _decoded(open_reader: Callable[[], Any], form: str) -> Iterator[Any]:
    """Record batches; what the library says of a broken file is the input's fault."""
    try:
        yield from batches(open_reader())
    except (RunFailed, MemoryError):
        raise
    except Exception as error:  # arro3 raises its own kinds, ValueError, OSError and others
        raise InputRefused(f"{form}: {error}") from error
