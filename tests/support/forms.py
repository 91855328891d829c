"""One table in every form that a batch reads, and results of every format read back, by numpy and pandas."""

import csv
import gzip
import io
import json
from typing import Any

import numpy as np
from arro3.core import Array, DataType, Table, fixed_size_list_array
from arro3.io import read_parquet, write_ipc, write_ipc_stream, write_parquet
from backports import zstd


def npy(x: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, x)
    return out.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def csv_table(names: list[str], rows: list[list[Any]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([names, *rows])
    return out.getvalue().encode()


def table(**columns: np.ndarray | list[Any]) -> Table:
    return Table.from_pydict({name: _column(values) for name, values in columns.items()})


def _column(values: np.ndarray | list[Any]) -> Array:
    if isinstance(values, list):
        return Array(values, DataType.string())
    column = Array.from_buffer(memoryview(np.ascontiguousarray(values).reshape(-1)))
    for size in reversed(values.shape[1:]):
        column = fixed_size_list_array(column, size)
    return column


def parquet(content: Table, rows_per_group: int = 100) -> bytes:
    out = io.BytesIO()
    write_parquet(content, out, compression="zstd(1)", max_row_group_size=rows_per_group)
    return out.getvalue()


def arrow(content: Table) -> bytes:
    out = io.BytesIO()
    write_ipc(content, out)
    return out.getvalue()


def arrow_stream(content: Table) -> bytes:
    out = io.BytesIO()
    write_ipc_stream(content, out)
    return out.getvalue()


def every_form(x: np.ndarray, name: str = "logits") -> dict[str, bytes]:
    """Rows `x[n, k]` of one input, by the suffix of the form."""
    rows = [row.tolist() for row in x]
    content = table(**{name: x})
    lines = jsonl(rows)
    cells = csv_table([f"c{i}" for i in range(x.shape[1])], rows)
    return {
        "npy": npy(x),
        "npz": npz(**{name: x}),
        "jsonl": lines,
        "records.jsonl": jsonl([{name: row} for row in rows]),
        "jsonl.gz": gzip.compress(lines),
        "jsonl.zst": zstd.compress(lines),
        "csv": cells,
        "csv.gz": gzip.compress(cells),
        "csv.zst": zstd.compress(cells),
        "parquet": parquet(content),
        "columns.parquet": parquet(table(**{f"c{i}": x[:, i] for i in range(x.shape[1])})),
        "arrow": arrow(content),
        "stream.arrow": arrow_stream(content),
    }


def read_back(data: bytes, format_name: str) -> list[Any]:
    """The rows of results, None where a row failed."""
    if format_name == "jsonl":
        return [json.loads(line) for line in data.splitlines()]
    if format_name == "npy":
        return list(np.load(io.BytesIO(data), allow_pickle=False).tolist())
    if format_name == "csv":
        lines = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
        return [[float(cell) for cell in line.values()] if any(line.values()) else None for line in lines]
    rows: list[Any] = []
    for batch in read_parquet(data):
        columns = [batch.column(name).to_pylist() for name in batch.schema.names]
        rows += columns[0] if len(columns) == 1 else [list(row) for row in zip(*columns, strict=True)]
    return rows
