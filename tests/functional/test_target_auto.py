"""Models whose target the build decides: both ways, and that another machine does not decide it anew."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.networks import DATA, mlp
from support.sources import write_model

from modelet.build import plan
from modelet.build.contest import placed, settings
from modelet.build.pipeline import build
from modelet.cli import run
from modelet.errors import RecipeRefused
from modelet.repository import ModelFolder
from modelet_runtime.manifest import Endpoint, Manifest

PATIENT = {"deadline_ms": 1000, "expected_rps": 1}
# A request takes more than this without any graph.
HASTY = {"deadline_ms": 1, "expected_rps": 1}


def write(folder: Path, endpoint: dict[str, Any], **sections: Any) -> ModelFolder:
    """A model that has no samples, so that fp32 is all that is measured."""
    return write_model(folder, mlp(), model={"target": "auto"}, endpoint=endpoint, **sections)


def names(model: ModelFolder) -> set[str]:
    passport = json.loads((model.version(1).folder / "passport.json").read_bytes())
    return {candidate["name"] for candidate in passport["candidates"]}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models that differ in their deadline only."""
    models = tmp_path_factory.mktemp("models")
    for name, endpoint in (("demo_patient", PATIENT), ("demo_hasty", {**HASTY, "max_batch_size": 8})):
        model = write(models / name, endpoint, golden={"samples": "data.py:samples"})
        (model.path / "data.py").write_text(DATA)
        build(model)
    return models


def test_what_the_cpu_can_do_stays_there(models: Path):
    model = ModelFolder(models / "demo_patient")
    manifest = model.version(1).manifest

    assert (manifest.target, manifest.endpoint) == ("cpu", None)
    assert manifest.placement is not None
    assert manifest.placement.target == "cpu"
    assert 0 < manifest.placement.cpu_median_ms <= manifest.placement.cpu_p95_ms
    assert (manifest.placement.deadline_ms, manifest.placement.expected_rps) == (1000, 1)
    assert "int8-dynamic" in names(model)
    assert not (model.path / "versions" / "1" / "triton").exists()


def test_what_it_cannot_do_in_time_is_built_for_an_endpoint(models: Path):
    model = ModelFolder(models / "demo_hasty")
    manifest = model.version(1).manifest

    assert (manifest.target, manifest.endpoint) == ("gpu", Endpoint(max_batch_size=8))
    assert manifest.placement is not None
    assert manifest.placement.reason.startswith("the CPU is too late: ")
    assert names(model) == {"fp32", "fp16"}
    assert list(model.version(1).folder.rglob("config.pbtxt"))


def test_the_decision_is_part_of_the_contract(models: Path):
    manifest = ModelFolder(models / "demo_hasty").version(1).manifest

    assert Manifest.from_dict(json.loads(json.dumps(manifest.to_dict()))) == manifest


def test_show_says_why(models: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["show", "demo_hasty", "--models", str(models)]) == 0
    assert "the CPU is too late" in capsys.readouterr().out


@pytest.mark.parametrize("endpoint", [PATIENT, HASTY], ids=["cpu", "gpu"])
def test_what_is_made_again_is_not_decided_again(
    tmp_path: Path, endpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """Neither where the binaries come out the same, nor where other tools make the next version."""
    model = write(tmp_path / "demo_again", endpoint)
    build(model)
    decided = model.version(1).manifest

    monkeypatch.setattr(placed, "place", lambda *given: pytest.fail("decided again"))
    (model.version(1).folder / "model.onnx").unlink()
    assert build(model).action == "restored"

    monkeypatch.setattr(plan, "changed_tools", lambda manifest: "tools changed")
    assert build(model).version == 2
    following = model.version(2).manifest
    assert (following.target, following.placement) == (decided.target, decided.placement)
    assert following.endpoint == decided.endpoint


def test_another_deadline_is_decided_anew(tmp_path: Path):
    model = write(tmp_path / "demo_changed", PATIENT)
    build(model)
    write(tmp_path / "demo_changed", HASTY)

    assert build(model).version == 2
    assert [model.version(number).manifest.target for number in (1, 2)] == ["cpu", "gpu"]


def test_a_machine_unlike_the_functions_does_not_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings.platform, "machine", lambda: "riscv64")

    with pytest.raises(RecipeRefused, match=r"model\.target: auto measures the CPU, .* not x86_64: build on"):
        build(write(tmp_path / "demo_else", PATIENT))
