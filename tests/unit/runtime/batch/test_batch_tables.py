"""Tables out: fixed columns, nested answers, and what does not fit."""

import csv
import io
import json

import numpy as np
import pytest
from arro3.io import read_parquet
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support import forms

from modelet_runtime.batch.errors import RunFailed
from modelet_runtime.batch.forms import parquet_out, parquet_pages
from modelet_runtime.batch.forms.base import Results, no_reference
from modelet_runtime.batch.forms.parquet_out import ParquetWriter
from modelet_runtime.batch.forms.writers import CsvWriter, JsonLinesWriter, NpyWriter, csv_header
from modelet_runtime.errors import InferenceRejected
from modelet_runtime.tensor import DATATYPES, Tensor


def results(answers, kept=None, first=0):
    failures = {row: InferenceRejected("no") for row, answer in enumerate(answers) if answer is None}
    return Results(first, len(answers), answers, None, failures, no_reference, kept, None, None, 0)


def csv_rows(writer, *blocks):
    data = b"".join(writer.write(block) for block in blocks) + writer.flush()
    return list(csv.DictReader(io.StringIO((csv_header(writer.columns) + data).decode(), newline="")))


def test_what_is_nested_is_json_in_its_cell():
    answers = [{"label": "a", "scores": {"a": 0.5, "b": None}}, None, {"label": 'b"\n', "scores": {}}]
    assert csv_rows(CsvWriter(), results(answers)) == [
        {"label": "a", "scores": '{"a":0.5,"b":null}'},
        {"label": "", "scores": ""},
        {"label": 'b"\n', "scores": "{}"},
    ]


def test_rows_that_fail_before_any_answer_wait_for_the_columns():
    rows = csv_rows(CsvWriter(), results([None, None]), results([[1.5, 2]], first=2))
    assert rows == [{"0": "", "1": ""}, {"0": "", "1": ""}, {"0": "1.5", "1": "2"}]
    assert csv_rows(CsvWriter(), results([None])) == [{"prediction": ""}]


@pytest.mark.parametrize("writer", [CsvWriter, ParquetWriter])
def test_an_answer_with_another_column_ends_the_run(writer):
    out = writer()
    out.write(results([{"a": 1}]))
    with pytest.raises(RunFailed, match="row 7: its answer has b"):
        out.write(results([{"a": 1, "b": 2}], first=7))


def test_columns_of_parquet_have_the_types_of_the_first_rows():
    writer = ParquetWriter()
    answers = [{"n": 1, "x": 1, "s": "a", "ok": True, "e": [1, 2.5], "d": {"k": 1}}, None]
    answers.append({"n": 2, "x": 0.5, "s": None, "ok": False, "e": [3, 4], "d": None})
    data = writer.write(results(answers)) + writer.flush()
    [batch] = read_parquet(data)
    assert {name: batch.column(name).to_pylist() for name in batch.schema.names} == {
        "n": [1, None, 2],
        "x": [1.0, None, 0.5],
        "s": ["a", None, None],
        "ok": [True, None, False],
        "e": [[1, 2.5], None, [3, 4]],
        "d": ['{"k":1}', None, None],
    }
    with pytest.raises(RunFailed, match="column 'n' was int64"):
        writer.write(results([{"n": "text", "x": 1, "s": "", "ok": True, "e": [1, 2], "d": {}}]))


def test_arrays_take_answers_that_are_numbers_of_one_length():
    writer = NpyWriter()
    assert len(writer.write(results([[1, 2], None, [3, None]]))) == 3 * 2 * 8
    with pytest.raises(RunFailed, match="expected"):
        writer.write(results([[1, 2, 3]]))
    with pytest.raises(RunFailed, match="no numbers"):
        NpyWriter().write(results([{"label": "a"}]))


def test_arrays_and_parquet_wait_for_the_first_answer_too():
    array = NpyWriter()
    assert array.write(results([None] * 2)) == b""
    assert np.frombuffer(array.write(results([[1, 2], None])))[4:6].tolist() == [1, 2]
    assert np.isnan(np.frombuffer(NpyWriter_flushed(3))).all()
    table = ParquetWriter()
    data = table.write(results([None])) + table.write(results([{"a": 1}, None])) + table.flush()
    assert forms.read_back(data, "parquet") == [None, 1, None]
    table = ParquetWriter()
    assert forms.read_back(table.write(results([None] * 3)) + table.flush(), "parquet") == [None] * 3


def NpyWriter_flushed(rows):
    writer = NpyWriter()
    writer.write(results([None] * rows))
    return writer.flush()


ARRAYS = st.sampled_from(["f4", "f8", "i4", "i8", "u4", "u8", "u1", "i2"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5))
)
DATATYPE = {"f4": "FP32", "f8": "FP64", "i4": "INT32", "i8": "INT64", "u4": "UINT32", "u8": "UINT64"}
DATATYPE |= {"u1": "UINT8", "i2": "INT16"}


def outputs(x, failed=()):
    tensor = Tensor.from_buffer("y", DATATYPES[DATATYPE[x.dtype.str[1:]]], x.shape, x.tobytes())
    failures = {row: InferenceRejected("no") for row in failed}
    return Results(0, len(x), None, [tensor], failures, no_reference, None, None, None, 0)


@given(x=ARRAYS, blocks=st.integers(1, 4), failed=st.integers(0, 3), rows_per_group=st.integers(1, 9))
def test_numbers_are_read_back_from_parquet_whichever_way_they_were_written(
    x, blocks, failed, rows_per_group
):
    if x.dtype.kind == "f":
        x = np.nan_to_num(x)  # NaN is not equal to itself
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_out, "_GROUP_ROWS", rows_per_group)
        writer = ParquetWriter()
        # One block in the middle has a row that failed, which only the library's encoder writes.
        written = [outputs(x, [0] if number == failed else []) for number in range(blocks)]
        data = b"".join(map(writer.write, written)) + writer.flush()
    expected = x.tolist() * blocks
    if failed < blocks:
        expected[failed * len(x)] = None
    assert forms.read_back(data, "parquet") == expected


@given(hnp.arrays("f4", hnp.array_shapes(min_dims=2, max_dims=2, max_side=5)))
def test_numbers_in_csv_are_the_same_in_one_go_and_one_by_one(x):
    at_once = csv_rows(CsvWriter(), outputs(x))
    one_by_one = csv_rows(CsvWriter(), results(x.tolist()))
    assert [list(row) for row in at_once] == [list(row) for row in one_by_one]
    actual = np.array([[cell or "nan" for cell in row.values()] for row in at_once], float)
    np.testing.assert_array_equal(actual, np.where(np.isfinite(x), x, actual))


def test_pages_of_many_rows_are_cut(monkeypatch):
    monkeypatch.setattr(parquet_pages, "_PAGE_BYTES", 100)
    x = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    writer = ParquetWriter()
    data = writer.write(outputs(x[:700])) + writer.write(outputs(x[700:])) + writer.flush()
    assert forms.read_back(data, "parquet") == x.tolist()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=6))
def test_lines_are_the_answers_whatever_they_are(answers):
    data = JsonLinesWriter().write(results(answers))
    assert [json.loads(line) for line in data.split(b"\n")[:-1]] == answers


def test_columns_that_are_kept_stand_beside_the_answer():
    line = JsonLinesWriter().write(
        results([0.5], [{"id": 7, "day": __import__("datetime").date(2026, 1, 2)}])
    )
    assert json.loads(line) == {"id": 7, "day": "2026-01-02", "prediction": 0.5}
