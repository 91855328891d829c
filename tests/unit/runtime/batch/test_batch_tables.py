"""Tables out: fixed columns, nested answers, and what does not fit."""

import csv
import io
import json

import numpy as np
import pytest
from arro3.io import read_parquet
from hypothesis import given
from hypothesis import strategies as st
from support import forms

from modelet_runtime.batch.errors import RunFailed
from modelet_runtime.batch.forms.base import Results, no_reference
from modelet_runtime.batch.forms.parquet_out import ParquetWriter
from modelet_runtime.batch.forms.writers import CsvWriter, JsonLinesWriter, NpyWriter, csv_header
from modelet_runtime.errors import InferenceRejected


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
