"""Models of a group: the archives that `infra/` deploys, in a real Triton that holds several by name."""

import base64
import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from support.triton import MODELS

from infra.model_archive import write_archive
from modelet.local.endpoint.installation import Installation
from modelet.triton import repository
from modelet_runtime.endpoint.wire import Wire
from modelet_runtime.tensor import DATATYPES, Tensor


def tensor(name: str, datatype: str, shape: tuple[int, ...], data: bytes) -> Tensor:
    return Tensor(name, DATATYPES[datatype], shape, memoryview(data))


INPUTS = {
    "add_scale": [
        tensor("a", "FP32", (1, 2), struct.pack("<2f", 1.5, 2)),
        tensor("b", "FP32", (1, 2), struct.pack("<2f", 3, 4)),
    ],
    "name_lookup": [tensor("index", "INT64", (2,), struct.pack("<2q", 1, 0))],
    "fixed_shape": [tensor("x", "FP32", (2, 3), struct.pack("<6f", *range(6)))],
}


@pytest.fixture(scope="module")
def answers(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Any, list[Tensor]]]:
    """By model: what came back, and the outputs in it."""
    folder = tmp_path_factory.mktemp("group")
    installation.write_backends(folder / "backends")
    asked, targets = {}, {}
    for name, (of, graph) in MODELS.items():
        targets[name] = target = f"{hashlib.sha256(name.encode()).hexdigest()}.tar.gz"
        served = folder / f"repository-{name}"
        served.mkdir()
        onnx.save(graph, folder / "model.onnx")
        repository.write(served, of, folder / "model.onnx", (), "cpu")
        files = {path.relative_to(served).as_posix(): path for path in served.rglob("*") if path.is_file()}
        write_archive(folder / target, files)
        body, media_type = Wire(of.signature).request(INPUTS[name], None)
        asked[target] = {"body": base64.b64encode(body).decode(), "media_type": media_type}
    (folder / "asked.json").write_text(json.dumps(asked))
    server = {"program": str(installation.program), "environment": installation.environment()}
    (folder / "server.json").write_text(json.dumps(server))
    done = subprocess.run(
        ["unshare", "--map-root-user", "--net", sys.executable, "-m", "support.multi_model", str(folder)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "answered.json").read_text())
    result = {}
    for name, target in targets.items():
        answer = found[target]
        body = base64.b64decode(answer["body"])
        assert (answer["loaded"], answer["status"]) == (200, 200), body
        result[name] = answer, Wire(MODELS[name][0].signature).answer(body, answer["media_type"], None)
    return result


def test_each_answers_by_the_name_of_its_archive(answers: dict[str, tuple[Any, list[Tensor]]]):
    (_, (total, double)), (_, (same,)) = answers["add_scale"], answers["fixed_shape"]
    assert struct.unpack("<2f", total.data) == (4.5, 6)
    assert struct.unpack("<2f", double.data) == (3, 4)
    assert struct.unpack("<6f", same.data) == tuple(range(6))
    _, (label,) = answers["name_lookup"]
    assert list(label.data) == ["ja, ü".encode(), b"no"]


def test_the_media_type_carries_the_length_as_for_one_model(answers: dict[str, tuple[Any, list[Tensor]]]):
    for answer, _ in answers.values():
        assert answer["media_type"].startswith(
            "application/vnd.sagemaker-triton.binary+json;json-header-size="
        )
