"""The batch result of any file equals the online answers, row by row."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support import forms
from support.batching import Batching

from modelet_runtime.batch.forms.base import Limits
from modelet_runtime.predictor import Predictor


def online(predictor: Predictor, rows: list[object]) -> list[object]:
    return predictor.predict(rows)


def same(actual: list[object], expected: list[object]) -> None:
    np.testing.assert_allclose(np.array(actual, float), np.array(expected, float), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("form", "format_name", "suffix"),
    [
        ("npy", "npy", "npy"),
        ("csv", "csv", "csv"),
        ("parquet", "parquet", "parquet"),
        ("arrow", "parquet", "parquet"),
        ("jsonl.gz", "jsonl", "jsonl"),
        ("npz", "npy", "npy"),
    ],
)
def test_results_come_in_the_inputs_own_form_beside_their_report(batch, form, format_name, suffix):
    x = np.ones((3, 4), np.float32)
    ended = batch.infer(f"demo_model/in/rows.{form}", forms.every_form(x)[form])
    assert ended.report["output"]["format"] == format_name
    prefix = f"demo_model/in/rows.{form}/v1/{ended.report['run'][:12]}/"
    assert ended.keys == [f"{prefix}_SUCCESS.json", f"{prefix}rows.{suffix}"]


def test_a_report_says_what_ran_and_what_it_took(batch):
    rows = forms.jsonl([[0, 0, 0, 0]] * 30 + [[1]])
    report = batch.infer("demo_model/rows.jsonl", rows).report
    assert {name: report[name] for name in ("state", "model", "version", "rows", "failed_rows", "parts")} == {
        "state": "succeeded", "model": "demo_model", "version": 1, "rows": 31, "failed_rows": 1, "parts": 1,
    }  # fmt: skip
    assert report["input"]["uri"] == "s3://modelet-in/demo_model/rows.jsonl"
    assert (report["input"]["bytes"], report["input"]["form"]) == (len(rows), "jsonl")
    results = batch.get(report["output"]["results"]["key"])
    assert report["output"]["results"]["bytes"] == len(results)
    assert report["output"]["errors"]["key"].endswith("/rows.jsonl.errors.jsonl")
    assert set(report["digests"]) == {"manifest.json", "model.ort"}
    assert report["digests"]["manifest.json"] == "d" * 64
    assert set(report["timings"]) == {"created_at", "finished_at", "elapsed_s", "busy_s", "infer_s"}
    assert report["cost_estimate_usd"] > 0


def test_what_is_submitted_counts_before_tags_and_tags_before_the_file_beside(batch):
    beside = b'format = "csv"\nkeep = ["id"]\nfailure_share = 0.3\n'
    batch.s3.put_object(Bucket="modelet-in", Key="demo_model/r.jsonl.modelet.toml", Body=beside)
    rows = forms.jsonl([{"id": "a", "logits": [0, 0, 0, 0]}])
    message = batch.put(
        "demo_model/r.jsonl", rows, Tagging="modelet%3Aformat=npy&modelet%3Afailure_share=0.2"
    )
    answer = batch.handle(replace(message, options={"format": "jsonl"}))
    ended = batch.ended(answer["run"])
    assert ended.report["options"] == {"format": "jsonl", "keep": ["id"], "failure_share": 0.2}
    assert json.loads(ended.results) == {"id": "a", "prediction": [0.25] * 4}


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i8", "<f2", "|u1"])
def test_arrays_of_other_numbers_are_what_a_row_of_them_is_online(batch, predictor, dtype):
    x = np.arange(20).reshape(5, 4).astype(dtype)
    ended = batch.infer("demo_model/rows.npy", forms.npy(x))
    same(forms.read_back(ended.results, "npy"), online(predictor, [row.tolist() for row in x.astype(float)]))


def test_a_column_major_array_is_turned(batch, predictor):
    x = np.asfortranarray(np.random.default_rng(0).random((7, 4)).astype(np.float32))
    ended = batch.infer("demo_model/rows.npy", forms.npy(x))
    same(forms.read_back(ended.results, "npy"), online(predictor, x.tolist()))


def test_rows_that_fail_are_named_and_leave_a_gap(batch):
    rows = [[0, 0, 0, 0]] * 18 + [[1, 2], "nine"]
    broken = forms.jsonl(rows) + b"{not json\n" + forms.jsonl([[1, 1, 1, 1]] * 12)
    ended = batch.infer("demo_model/rows.jsonl", broken)
    assert (ended.report["rows"], ended.report["failed_rows"]) == (33, 3)
    lines = [json.loads(line) for line in ended.results.splitlines()]
    assert [number for number, line in enumerate(lines) if line is None] == [18, 19, 20]
    assert [error["row"] for error in ended.errors] == [18, 19, 20]
    assert [error["error"]["code"] for error in ended.errors] == [
        "shape_mismatch", "shape_mismatch", "invalid_request",
    ]  # fmt: skip
    for error in ended.errors:
        place = error["reference"]
        line = broken[place["offset"] : place["offset"] + place["bytes"]]
        assert line == broken.split(b"\n")[error["row"]]


@pytest.mark.parametrize("format_name", ["csv", "parquet", "npy", "jsonl"])
def test_failed_rows_are_empty_in_every_format(batch, format_name):
    rows = forms.jsonl([[0, 0, 0, 0]] * 4 + [[1]] + [[0, 0, 0, 0]] * 15)
    ended = batch.infer("demo_model/r.jsonl", rows, Tagging=f"modelet%3Aformat={format_name}")
    assert ended.report["state"] == "succeeded", ended.report
    read = forms.read_back(ended.results, format_name)
    assert len(read) == 20
    assert read[4] is None or np.isnan(read[4]).all()
    assert np.allclose(read[3], 0.25)


def test_too_many_failures_end_the_run_with_what_failed(batch):
    ended = batch.infer("demo_model/r.jsonl", forms.jsonl([[0, 0, 0, 0]] * 8 + [[1]] * 2))
    assert ended.report["state"] == "failed"
    assert ended.report["error"]["code"] == "too_many_failures"
    assert [error["row"] for error in ended.errors] == [8, 9]
    assert ended.results == b""
    ended = batch.infer(
        "demo_model/s.jsonl", forms.jsonl([[0] * 4] * 8 + [[1]] * 2), Tagging="modelet%3Afailure_share=0.2"
    )
    assert ended.report["state"] == "succeeded"


def test_columns_are_kept_when_asked(batch):
    rows = [{"id": f"r{i}", "logits": [i, 0, 0, 0], "note": "é"} for i in range(3)]
    batch.s3.put_object(Bucket="modelet-in", Key="demo_model/r.jsonl.modelet.toml", Body=b'keep = ["id"]')
    ended = batch.infer("demo_model/r.jsonl", forms.jsonl(rows))
    lines = [json.loads(line) for line in ended.results.splitlines()]
    assert [line["id"] for line in lines] == ["r0", "r1", "r2"]
    assert set(lines[0]) == {"id", "prediction"}
    x = np.zeros((3, 4), np.float32)
    content = forms.parquet(forms.table(id=["a", "b", "c"], logits=x))
    ended = batch.infer("demo_model/r.parquet", content, Tagging="modelet%3Akeep=id")
    assert forms.read_back(ended.results, "parquet") == [[name, [0.25] * 4] for name in "abc"]


def test_an_unknown_option_is_a_failed_run_that_lists_those_there_are(batch):
    ended = batch.infer("demo_model/r.jsonl", b"[1]\n", Tagging="modelet%3Afromat=csv")
    assert ended.report["error"]["code"] == "options_refused"
    assert "format, form, keep" in ended.report["error"]["message"]


@pytest.mark.parametrize("format_name", ["csv", "parquet", "npy", "jsonl"])
def test_a_stretch_of_failures_leaves_a_stretch_of_gaps(aws, predictor, format_name):
    batch = Batching(predictor, limits=Limits(chunk_bytes=64))
    rows = forms.jsonl([[1]] * 40 + [[0, 0, 0, 0]] * 40 + [[1]] * 40)
    tags = f"modelet%3Aformat={format_name}&modelet%3Afailure_share=0.9"
    ended = batch.infer("demo_model/r.jsonl", rows, Tagging=tags)
    assert (ended.report["state"], ended.report["failed_rows"]) == ("succeeded", 80), ended.report
    read = forms.read_back(ended.results, format_name)
    gaps = [row is None or bool(np.isnan(row).all()) for row in read]
    assert gaps == [True] * 40 + [False] * 40 + [True] * 40
