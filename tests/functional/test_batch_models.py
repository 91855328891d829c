"""The demo models in batch: the answers are those of the online route, whichever way the files come."""

import base64
import json
from pathlib import Path

import pytest
from support import batching, forms

from modelet import paths
from modelet.repository import Repository, served_version
from modelet_runtime.predictor import Predictor
from modelet_runtime.settings import Settings
from modelet_runtime.startup import begin

MODELS = paths.root() / "model_artifacts"


def load(name: str) -> Predictor:
    version = served_version(Repository(MODELS).model(name))
    assert version is not None, f"run `modelet build {name}`"
    return begin(Settings(version.folder, 1769, 1, False, "test")).predictor()


@pytest.fixture(scope="module")
def file_type() -> Predictor:
    return load("file_type")


@pytest.fixture
def batch(monkeypatch, file_type):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with batching.aws():
        yield batching.Batching(file_type)


def samples() -> list[Path]:
    return sorted((MODELS / "file_type" / "samples").iterdir())


def answers(ended: batching.Ended) -> list[object]:
    assert ended.report["state"] == "succeeded", ended.report
    return [json.loads(line) for line in ended.results.splitlines()]


def check(actual, expected):
    """Labels are equal; scores as near as runs of other batches are."""
    assert [answer["label"] for answer in actual] == [answer["label"] for answer in expected]
    for one, other in zip(actual, expected, strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=0.02)


def test_a_manifest_of_files_gives_each_files_type_beside_its_name(batch, file_type):
    lines = []
    for file in samples():
        batch.s3.put_object(Bucket=batching.INPUT, Key=f"lake/{file.name}", Body=file.read_bytes())
        lines.append({"uri": f"s3://{batching.INPUT}/lake/{file.name}", "name": file.name})
    lines.append({"uri": f"s3://{batching.INPUT}/lake/gone", "name": "gone"})
    ended = batch.infer("file_type/all.jsonl", forms.jsonl(lines), Tagging="modelet%3Akeep=name")
    *rows, gone = answers(ended)
    assert [row["name"] for row in rows] == [file.name for file in samples()]
    check([row["prediction"] for row in rows], file_type.predict([file.read_bytes() for file in samples()]))
    assert gone == {"name": "gone", "prediction": None}
    [error] = ended.errors
    assert (error["row"], error["error"]["code"]) == (len(rows), "input_gone")


def test_rows_of_base64_are_rows_and_files_are_files(batch, file_type):
    some = samples()[:10]
    coded = [{"b64": base64.b64encode(file.read_bytes()).decode()} for file in some]
    ended = batch.infer("file_type/r.jsonl", forms.jsonl(coded))
    check(answers(ended), file_type.predict([file.read_bytes() for file in some]))
    for file in some:
        content = file.read_bytes()
        check(answers(batch.infer(f"file_type/{file.name}", content)), file_type.predict([content]))


def test_a_picture_is_one_row(batch):
    predictor = load("digit_image")
    picture = (MODELS / "digit_image/samples/three.png").read_bytes()
    ended = batching.Batching(predictor).infer("digit_image/three.png", picture)
    check(answers(ended), predictor.predict([picture]))
