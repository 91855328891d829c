"""The demo models in batch: the answers are those of the online route, whichever way the files come."""

import base64
import json
import struct
import zlib
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


@pytest.mark.parametrize("name", ["digit_image", "file_type", "tabular_risk"])
def test_batches_begin_with_the_fewest_rows_that_cost_least_on_the_passports_curve(name):
    version = served_version(Repository(MODELS).model(name))
    assert version is not None
    assert version.manifest.batch is not None
    curve = json.loads((version.folder / "passport.json").read_bytes())["batch_curve"]
    row_ms = {point["rows"]: point["latency_ms"] / point["rows"] for point in curve}
    chosen = version.manifest.batch.rows
    assert row_ms[chosen] <= 1.03 * min(row_ms.values())
    assert all(row_ms[rows] > 1.03 * min(row_ms.values()) for rows in row_ms if rows < chosen)


def black(side: int) -> bytes:
    """A PNG of so many black pixels that packs to a thousandth of them."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    packer = zlib.compressobj()
    packed = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_a_picture_that_unpacks_to_gigabytes_ends_as_a_failed_run(batch):
    bomb = black(20_000)
    assert len(bomb) < 2**20
    digits = batching.Batching(load("digit_image"))
    ended = digits.infer("digit_image/bomb.png", bomb)
    assert ended.report["state"] == "failed"
    assert "1 of 1 rows failed" in ended.report["error"]["message"]
    assert "pixels" in ended.report["error"]["message"]
    assert [error["row"] for error in ended.errors] == [0]
    # Of many pictures it fails alone.
    picture = (MODELS / "digit_image/samples/three.png").read_bytes()
    for name, content in (("bomb", bomb), ("three", picture)):
        digits.s3.put_object(Bucket=batching.INPUT, Key=f"lake/{name}", Body=content)
    uris = [f"s3://{batching.INPUT}/lake/{name}" for name in ["three"] * 10 + ["bomb"]]
    ended = digits.infer("digit_image/all.jsonl", forms.jsonl(uris))
    assert [answer and answer["label"] for answer in answers(ended)] == ["3"] * 10 + [None]
