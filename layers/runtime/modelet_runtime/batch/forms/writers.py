"""JSON Lines, CSV and NPY out. Segments hold no header, so that they join by copying."""

import csv
from array import array
from collections.abc import Mapping, Sequence
from io import StringIO
from math import isfinite, nan, prod
from typing import Any

import orjson

from modelet_runtime.batch.errors import OptionsRefused, RunFailed
from modelet_runtime.batch.forms.answers import (
    PREDICTION,
    answers_of,
    check_columns,
    column_names,
    records_of,
    to_cell,
)
from modelet_runtime.batch.forms.base import Results
from modelet_runtime.protocols import npy
from modelet_runtime.protocols.table import to_text
from modelet_runtime.steps.base import Answer
from modelet_runtime.steps.plain import to_value
from modelet_runtime.tensor import DATATYPES, Tensor

_NPY = {
    **{"BOOL": "|b1", "UINT8": "|u1", "INT8": "|i1", "UINT16": "<u2", "INT16": "<i2", "UINT32": "<u4"},
    **{"INT32": "<i4", "UINT64": "<u8", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"},
}  # fmt: skip


class JsonLinesWriter:
    """A line per row: the answer, or with columns kept `{..., "prediction": answer}`; null if it failed."""

    suffix = ".jsonl"
    media_type = "application/x-ndjson"

    def __init__(self, columns: Any = None) -> None:
        self.columns = columns

    def write(self, results: Results) -> bytes:
        """Lines."""
        if results.kept is None and not results.failures and results.outputs is not None:
            lines = _lines(results.outputs)
            if lines is not None:
                return lines
        answers = answers_of(results)
        rows: Any = answers
        if results.kept is not None:
            rows = [{**kept, PREDICTION: a} for kept, a in zip(results.kept, answers, strict=True)]
        if not rows:
            return b""
        try:
            return b"\n".join(map(orjson.dumps, rows)) + b"\n"
        except TypeError:  # columns of dates or bytes are kept as their text
            return b"\n".join(orjson.dumps(row, default=_plain) for row in rows) + b"\n"

    def flush(self) -> bytes:
        """Nothing is held back."""
        return b""


def _lines(outputs: Sequence[Tensor]) -> bytes | None:
    """A matrix of numbers as lines, written in one go: between its rows, and only there, stands `],[`."""
    matrix = _matrix(outputs)
    return None if matrix is None else matrix[1:-1].replace(b"],[", b"]\n[") + b"\n"


def _matrix(outputs: Sequence[Tensor]) -> bytes | None:
    """A lone matrix of numbers as JSON; None for anything else."""
    if len(outputs) != 1 or len(outputs[0].shape) != 2 or isinstance(outputs[0].data, tuple):
        return None
    return orjson.dumps(to_value(outputs[0])) if prod(outputs[0].shape) else None


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else str(value)


class CsvWriter:
    """A line per row under one header; what is nested in an answer's columns is JSON."""

    suffix = ".csv"
    media_type = "text/csv; charset=utf-8; header=present"

    def __init__(self, columns: Any = None) -> None:
        self.columns = columns
        self._waiting: list[dict[str, Any]] = []

    def write(self, results: Results) -> bytes:
        """Lines; the first answers decide the columns, and rows that failed before them wait."""
        if (lines := self._numbers(results)) is not None:
            return lines
        records = list(records_of(results))
        if self.columns is None:
            self._waiting += records
            if len(results.failures) == results.rows:
                return b""
            records, self._waiting = self._waiting, []
            self.columns = column_names(records)
        else:
            check_columns(self.columns, records, results.first)
        return self._lines(records)

    def _numbers(self, results: Results) -> bytes | None:
        """A matrix of finite numbers in one go; None for anything else."""
        if results.kept is not None or results.failures or self._waiting or results.outputs is None:
            return None
        matrix = _matrix(results.outputs)
        if matrix is None or b"null" in matrix or results.outputs[0].datatype.name == "BOOL":
            return None
        names = list(map(str, range(results.outputs[0].shape[1])))
        if len(names) == 1 or self.columns not in (None, names):
            return None
        self.columns = names
        return matrix[2:-2].replace(b"],[", b"\r\n") + b"\r\n"

    def flush(self) -> bytes:
        """Rows that all failed."""
        records, self._waiting = self._waiting, []
        if not records:
            return b""
        self.columns = column_names(records) or [PREDICTION]
        return self._lines(records)

    def _lines(self, records: Sequence[Mapping[str, Any]]) -> bytes:
        out = StringIO(newline="")
        names = self.columns
        lines = ([_text(record.get(name)) for name in names] for record in records)
        # A lone empty cell would be an empty line, which readers pass over.
        csv.writer(out, quoting=csv.QUOTE_ALL if len(names) == 1 else csv.QUOTE_MINIMAL).writerows(lines)
        return out.getvalue().encode()


def _text(value: Any) -> Any:
    """A cell; finite numbers are left to the writer, which is quicker and spells them alike."""
    kind = type(value)
    if kind is int or kind is str or (kind is float and isfinite(value)):
        return value
    return to_text(to_cell(value))


def csv_header(columns: Any) -> bytes:
    """The line above all segments."""
    out = StringIO(newline="")
    csv.writer(out).writerow(columns or [PREDICTION])
    return out.getvalue().encode()


class NpyWriter:
    """One array: the graph's only output, or answers that are numbers. Rows that failed are NaN, or 0."""

    suffix = ".npy"
    media_type = "application/x-npy"

    def __init__(self, columns: Any = None) -> None:
        self.columns = columns
        self._waiting = 0

    def write(self, results: Results) -> bytes:
        """The rows' bytes."""
        tensor = self._tensor(results)
        if tensor is None:
            self._waiting += results.rows
            return b""
        found = {"descr": _NPY[tensor.datatype.name], "shape": list(tensor.shape[1:])}
        if self.columns is None:
            self.columns = found
        elif self.columns != found:
            raise RunFailed(
                f"row {results.first}: expected {self.columns}, got {found}: the rows of an array are alike:"
                ' ask for format = "jsonl"'
            )
        if not results.rows or not (results.failures or self._waiting):
            return bytes(tensor.buffer)
        data, width = bytearray(tensor.buffer), len(tensor.buffer) // results.rows
        blank = _blank(tensor, width)
        for row in results.failures:
            data[row * width : (row + 1) * width] = blank
        before, self._waiting = blank * self._waiting, 0
        return before + bytes(data)

    def _tensor(self, results: Results) -> Tensor | None:
        """The rows as a tensor; None where all failed before anything was known."""
        if results.outputs is not None:
            if len(results.outputs) != 1 or results.outputs[0].datatype.name not in _NPY:
                raise OptionsRefused(
                    'format: an array holds one output of numbers: ask for "parquet" or "jsonl"'
                )
            return results.outputs[0]
        answers = results.answers or ()
        shape = next((_shape(answer) for answer in answers if answer is not None), self._known_shape())
        if shape is None:
            return None
        blank = [nan] * prod(shape)
        flat: list[Any] = []
        for answer in answers:
            flat += blank if answer is None else answer if shape else [answer]
        if not all(item is None or isinstance(item, (int, float)) for item in flat):
            raise OptionsRefused('format: these answers are no numbers: ask for "jsonl"')
        if len(flat) != len(answers) * prod(shape):
            raise RunFailed('the answers differ in length: ask for format = "jsonl"')
        values = [nan if item is None else float(item) for item in flat]
        return Tensor.from_values(npy.NAME, DATATYPES["FP64"], (len(answers), *shape), values)

    def _known_shape(self) -> tuple[int, ...] | None:
        return None if self.columns is None else tuple(self.columns["shape"])

    def flush(self) -> bytes:
        """Rows that all failed."""
        if not self._waiting:
            return b""
        self.columns = {"descr": "<f8", "shape": []}
        data = array("d", [nan]) * self._waiting
        self._waiting = 0
        return data.tobytes()


def _shape(answer: Answer) -> tuple[int, ...]:
    if isinstance(answer, (list, tuple)):
        return (len(answer),)
    if isinstance(answer, (int, float)):
        return ()
    raise OptionsRefused('format: these answers are no numbers: ask for "jsonl"')


def _blank(tensor: Tensor, width: int) -> bytes:
    if not tensor.datatype.is_float:
        return bytes(width)
    count = width // tensor.datatype.size
    return bytes(Tensor.from_values("", tensor.datatype, (count,), [nan] * count).buffer)


def npy_header(columns: Any, rows: int) -> bytes:
    """What comes before all segments."""
    known = columns or {"descr": "<f8", "shape": []}
    shape = (rows, *known["shape"])
    axes = f"({shape[0]},)" if len(shape) == 1 else str(shape)
    return npy.pack_header(known["descr"], axes)
