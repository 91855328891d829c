"""Parquet out: blocks of rows become row groups, each segment a file of its own."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from modelet_runtime.batch.errors import RunFailed
from modelet_runtime.batch.forms import parquet_footer, parquet_pages
from modelet_runtime.batch.forms.answers import check_columns, column_names, records_of, to_cell
from modelet_runtime.batch.forms.arrow_memory import from_tensor
from modelet_runtime.batch.forms.base import Results
from modelet_runtime.tensor import DATATYPES, Tensor

_GROUP_ROWS = 65_536
_GROUP_BYTES = 32 * 1024**2


class ParquetWriter:
    """Outputs of the graph as they are, answers by their columns; rows that failed are null."""

    suffix = ".parquet"
    media_type = "application/vnd.apache.parquet"

    def __init__(self, columns: Any = None) -> None:
        self.columns = columns
        self._tables: list[Any] = []
        self._tensors: list[Sequence[Tensor]] = []  # instead of tables, while all rows are numbers
        self._template: parquet_footer.Footer | None = None
        self._rows = 0
        self._bytes = 0
        self._footers: list[parquet_footer.Footer] = []
        self._waiting: list[dict[str, Any]] = []

    def write(self, results: Results) -> bytes:
        """A row group, whenever enough rows are there for one."""
        if results.rows and not self._must_wait(results):
            if self._can_copy(results):
                assert results.outputs is not None
                self._tensors.append(results.outputs)
                self._rows += results.rows
                self._bytes += sum(len(tensor.data) for tensor in results.outputs)
            else:
                self._add(self._batch(results))
        return self._group() if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES else b""

    def flush(self) -> bytes:
        """The last row group and the footer."""
        if self._waiting:  # nothing but failures
            self.columns = {"prediction": "string"}
            self._add_waiting()
        data = self._group() if self._rows else b""
        if not self._footers:
            return b""
        _, tail = parquet_footer.joined(self._footers)
        self._footers = []
        return data + tail

    def _must_wait(self, results: Results) -> bool:
        """Whether nothing is known of the columns yet: rows that failed wait for an answer."""
        if results.outputs is not None or self.columns is not None:
            return False
        if len(results.failures) < results.rows:
            self._typed(list(records_of(results)), results.first)  # decides the columns
            self._add_waiting()
            return False
        self._waiting += list(records_of(results))
        return True

    def _add_waiting(self) -> None:
        from arro3.core import RecordBatch  # noqa: PLC0415

        records, self._waiting = self._waiting, []
        if records:
            self._add(RecordBatch.from_pydict(self._typed(records, 0)))

    def _can_copy(self, results: Results) -> bool:
        is_bare = results.outputs is not None and results.kept is None and not results.failures
        return is_bare and not self._tables and parquet_pages.can_copy(results.outputs or ())

    def _add(self, batch: Any) -> None:
        self._tables += [_batch_of(tensors) for tensors in self._tensors]
        self._tensors = []
        self._tables.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes

    def _group(self) -> bytes:
        if self._tensors:
            if self._template is None:
                first = [_first_row(tensor) for tensor in self._tensors[0]]
                _, self._template = _encoded([_batch_of(first)], 1)
            body, footer = parquet_pages.row_group(self._template, self._tensors)
        else:
            body, footer = _encoded(self._tables, self._rows)
        self._tables, self._tensors, self._rows, self._bytes = [], [], 0, 0
        is_first = not self._footers
        self._footers.append(footer)
        return (parquet_footer.MAGIC if is_first else b"") + body

    def _batch(self, results: Results) -> Any:
        from arro3.core import RecordBatch  # noqa: PLC0415

        if results.outputs is not None:
            if results.kept is None:
                return _batch_of(results.outputs, sorted(results.failures))
            failed = sorted(results.failures)
            columns = {t.name: from_tensor(t, failed) for t in results.outputs}
            columns = {**self._typed(results.kept, results.first), **columns}
        else:
            columns = self._typed(list(records_of(results)), results.first)
        return RecordBatch.from_pydict(columns)

    def _typed(self, records: Sequence[Mapping[str, Any]], first: int) -> dict[str, Any]:
        """Columns of records; the first block decides names and types."""
        if self.columns is None:
            names = column_names(records)
            self.columns = {name: _kind([record.get(name) for record in records]) for name in names}
        else:
            check_columns(list(self.columns), records, first)
        return {
            name: _column(name, kind, [record.get(name) for record in records], first)
            for name, kind in self.columns.items()
        }


def _batch_of(tensors: Sequence[Tensor], failed: Sequence[int] = ()) -> Any:
    from arro3.core import RecordBatch  # noqa: PLC0415

    return RecordBatch.from_pydict({tensor.name: from_tensor(tensor, failed) for tensor in tensors})


def _first_row(tensor: Tensor) -> Tensor:
    width = len(tensor.data) // tensor.shape[0]
    return Tensor(tensor.name, tensor.datatype, (1, *tensor.shape[1:]), tensor.data[:width])


def _encoded(tables: Sequence[Any], rows: int) -> tuple[bytes, parquet_footer.Footer]:
    """One row group by the library: its bytes, and the footer of a file of it alone."""
    from arro3.core import Table  # noqa: PLC0415  the batch layer's
    from arro3.io import write_parquet  # noqa: PLC0415

    out = BytesIO()
    # Snappy is what every reader has; floats of models have no repetition for a dictionary.
    write_parquet(
        Table.from_batches(tables),
        out,
        compression="snappy",
        dictionary_enabled=False,
        max_row_group_size=rows,
        write_batch_size=rows,
    )
    file = out.getvalue()
    footer = parquet_footer.read_footer(lambda start, end: file[start:end], len(file))
    [group] = footer.row_groups
    return file[group.start : group.end], footer


def _kind(values: Sequence[Any]) -> str:
    """The type of a column: `list:<length>` of numbers, a scalar's, or text, which holds anything."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int64"
    if kinds and kinds <= {int, float}:
        return "float64"
    if kinds == {list}:
        lists = [value for value in values if value is not None]
        if len({len(value) for value in lists}) == 1 and all(
            type(item) in (int, float) for value in lists for item in value
        ):
            return f"list:{len(lists[0])}"
    return "string"


def _column(name: str, kind: str, values: Sequence[Any], first: int) -> Any:
    from arro3.core import Array, DataType  # noqa: PLC0415

    try:
        if kind.startswith("list:"):
            return _lists(int(kind[5:]), values)
        if kind == "string":
            return Array([None if v is None else str(to_cell(v)) for v in values], DataType.string())
        return Array(list(values), getattr(DataType, kind)())
    except (TypeError, ValueError, OverflowError) as error:
        raise RunFailed(
            f"rows from {first}: column '{name}' was {kind} in the first rows and is not any more: "
            'columns have one type, so ask for format = "jsonl"'
        ) from error


def _lists(width: int, values: Sequence[Any]) -> Any:
    flat: list[float] = []
    failed = []
    for row, value in enumerate(values):
        if value is None:
            failed.append(row)
        elif len(value) != width:
            raise ValueError("lists of another length")
        flat += [0.0] * width if value is None else value
    return from_tensor(Tensor.from_values("", DATATYPES["FP64"], (len(values), width), flat), failed)


def empty_file() -> bytes:
    """A table without rows, for an input without any."""
    from arro3.core import Array, DataType, Table  # noqa: PLC0415
    from arro3.io import write_parquet  # noqa: PLC0415

    out = BytesIO()
    write_parquet(Table.from_pydict({"prediction": Array([], DataType.string())}), out)
    return out.getvalue()
