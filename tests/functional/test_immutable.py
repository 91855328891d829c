"""A version's folder is written once: no command, no service and no hook of it leaves a trace there."""

import json
import stat
import time
from pathlib import Path

import pytest
from support.graphs import identity
from support.service import running
from support.sources import write_model

from modelet.cli import run
from modelet.repository import ModelFolder

HOOKS = """
from modelet_runtime.steps.base import Encoded
from modelet_runtime.tensor import DATATYPES, Tensor

class Hooks:
    media_types = ("text/plain",)

    def __init__(self, folder, manifest):
        pass

    def encode(self, value):
        return Encoded({"x": Tensor.from_values("x", DATATYPES["FP32"], (3,), [float(len(value))] * 3)})

    def decode(self, outputs, context):
        return outputs["y"].values()[0]
"""
HOOK = {"steps": [{"name": "hook"}]}


def trace(folder: Path) -> dict[str, object]:
    """Everything of a folder that an edit would change, itself included."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else None,
            path.stat().st_mtime_ns,
            stat.S_IMODE(path.stat().st_mode),
        )
        for path in (folder, *sorted(folder.rglob("*")))
    }


@pytest.fixture
def model(tmp_path: Path) -> ModelFolder:
    """A model with hooks in two versions."""
    folder = tmp_path / "models" / "text_length"
    (folder / "samples").mkdir(parents=True)
    (folder / "samples" / "a.txt").write_text("abc")
    (folder / "hooks.py").write_text(HOOKS)
    (tmp_path / "text.txt").write_text("hello")
    for memory_mib in (512, 1024):
        write_model(
            folder,
            identity(),
            model={"hooks": "hooks.py"},
            input=HOOK,
            output=HOOK,
            golden={"samples": "samples/*.txt"},
            resources={"memory_mib": memory_mib, "architecture": "arm64"},
        )
        assert run(["build", "--models", str(folder.parent)]) == 0
    return ModelFolder(folder)


def test_nothing_writes_into_a_version(model: ModelFolder, tmp_path: Path) -> None:
    before = trace(model.path / "versions")
    text = str(tmp_path / "text.txt")
    for command in (
        ["build"],
        ["list"],
        ["show", model.name],
        ["promote", model.name, "1"],
        ["promote", model.name, "2", "--canary", "0.5"],
        ["rollback", model.name],
        ["diff", model.name, "live", "2"],
        ["predict", model.name, text],
        ["predict", f"{model.name}@2", text],
    ):
        assert run([*command, "--models", str(model.path.parent)]) == 0, command
        assert trace(model.path / "versions") == before, command


def test_neither_does_a_service(model: ModelFolder) -> None:
    before = trace(model.path / "versions")
    with running(model.path.parent) as service:
        for version in (1, 2):
            path = f"/models/{model.name}/versions/{version}/predict"
            status, _, answer = service.call("POST", path, b"hello", {"content-type": "text/plain"})
            assert (status, json.loads(answer)) == (200, 5.0)
    assert trace(model.path / "versions") == before


def test_a_service_does_not_answer_with_what_was_changed(model: ModelFolder) -> None:
    for name in ("model.ort", "hooks.py"):
        path = model.version(2).folder / name
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        with running(model.path.parent) as service:
            route = f"/models/{model.name}/predict"
            assert service.call("POST", route, b"hello", {"content-type": "text/plain"})[0] == 500
            for _ in range(100):  # what it has written may not be read yet
                if shown := any(f"{name}: expected sha256" in line for line in [*service.lines]):
                    break
                time.sleep(0.05)
            assert shown
        path.write_bytes(original)
