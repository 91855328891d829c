"""Builds, promotes and rollbacks killed at many moments: what is there is whole, the next one succeeds."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.artifacts import write_version
from support.graphs import identity, model, value
from support.sources import write_model

from modelet.build.folder import STAGING_PREFIX
from modelet.build.pipeline import STAGES
from modelet.repository import ModelFolder, served_version
from modelet_runtime.aliases import FILE_NAME, Aliases, Canary
from modelet_runtime.manifest import FILE_NAME as MANIFEST
from modelet_runtime.manifest import Manifest

KILLED = -signal.SIGKILL

# Imports once and forks for every order, so that a kill costs no more than what it kills.
NURSERY = """
import json, os, signal, sys, time, traceback
from pathlib import Path
from modelet.aliases import moves
from modelet.build import pipeline, stages
from modelet.repository import ModelFolder

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def work(order):
    model, seen = ModelFolder(Path(order["model"])), []
    folder = os.path.realpath(order["model"])
    def watch(event, arguments):
        if event in {"open", "os.rename", "os.chmod"} and str(arguments[0]).startswith(folder):
            if len(seen) == order["access"]:
                die()
            seen.append(event)
    if "access" in order:
        sys.addaudithook(watch)
    if order["do"] == "build":
        pipeline.build(model, lambda stage: die() if stage == order.get("stage") else None)
    elif order["do"] == "promote":
        moves.promote(model, order["version"], weight=order.get("weight"))
    else:
        moves.rollback(model)

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        try:
            work(order)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if "after_s" in order:
        time.sleep(order["after_s"])
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """Does what it is told in processes that are killed as they are told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def order(self, do: str, model: ModelFolder, **how: Any) -> int:
        """Run one order; gives the exit code of its process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, "model": str(model.path), **how}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-c", NURSERY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def nurse() -> Iterator[Nursery]:
    with nursery() as made:
        yield made


def layer() -> onnx.ModelProto:
    """`y = relu(x * w)`: enough for several candidates."""
    weights = np.random.default_rng(0).random((16, 16), np.float32)
    shape = ("n", 16)
    return model(
        [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Relu", ["m"], ["y"])],
        [value("x", TensorProto.FLOAT, shape)],
        [value("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "w")],
    )


def write(root: Path, memory_mib: int = 512, precision: str = "fp32") -> ModelFolder:
    """The model; for another machine than this one, so that nothing has to be timed."""
    resources = {"architecture": "arm64", "memory_mib": memory_mib}
    return write_model(root / "demo_layer", layer(), resources=resources, optimize={"precision": precision})


def digests(found: ModelFolder, number: int) -> dict[str, str]:
    """Of all files that a build makes again with the same bytes: those that say what was measured are not."""
    version = found.version(number)
    names = (*version.manifest.files, MANIFEST)
    return {name: hashlib.sha256((version.folder / name).read_bytes()).hexdigest() for name in names}


def check_whole(found: ModelFolder) -> None:
    """Every version is complete and as its manifest says; all else is what the next build removes."""
    versions = found.path / "versions"
    for entry in versions.iterdir() if versions.is_dir() else ():
        if entry.name.startswith(STAGING_PREFIX):
            continue
        version = found.version(int(entry.name))
        assert (version.obstacle, version.changed_files()) == ("", [])
        assert Manifest.load(version.folder).version == version.number
        assert (version.folder / "passport.json").is_file()


def check_tidy(found: ModelFolder, *numbers: int) -> None:
    """These versions and nothing else."""
    check_whole(found)
    assert sorted(entry.name for entry in (found.path / "versions").iterdir()) == [str(n) for n in numbers]


@pytest.fixture(scope="module")
def whole(nurse: Nursery, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """An undisturbed build: its digests and how long it takes."""
    found = write(tmp_path_factory.mktemp("whole"))
    began_s = time.monotonic()
    assert nurse.order("build", found) == 0
    return digests(found, 1), time.monotonic() - began_s


class TestBuild:
    def test_at_every_stage_with_candidates_in_processes_of_their_own(
        self, nurse: Nursery, tmp_path: Path
    ) -> None:
        found = write(tmp_path, precision="auto")
        for stage in STAGES:
            assert nurse.order("build", found, stage=stage) == KILLED
            check_whole(found)
            assert found.versions() == []
        assert nurse.order("build", found) == 0
        check_tidy(found, 1)

    @pytest.mark.parametrize("stage", STAGES)
    def test_at_every_stage(
        self, nurse: Nursery, whole: tuple[dict[str, str], float], tmp_path: Path, stage: str
    ) -> None:
        found = write(tmp_path)
        assert nurse.order("build", found, stage=stage) == KILLED
        check_whole(found)
        assert found.versions() == []
        assert nurse.order("build", found) == 0
        check_tidy(found, 1)
        assert digests(found, 1) == whole[0]

    @pytest.mark.parametrize("seed", range(6))
    def test_at_any_moment(
        self, nurse: Nursery, whole: tuple[dict[str, str], float], tmp_path: Path, seed: int
    ) -> None:
        """Killed again and again over what the last kill left, then left alone."""
        chance = random.Random(seed)
        found = write(tmp_path)
        for _ in range(4):
            code = nurse.order("build", found, after_s=chance.uniform(0, 1.2 * whole[1]))
            assert code in (0, KILLED)
            check_whole(found)
        assert nurse.order("build", found) == 0
        check_tidy(found, 1)
        assert digests(found, 1) == whole[0]

    @pytest.mark.parametrize("seed", range(2))
    def test_the_next_version_leaves_the_live_one_alone(
        self, nurse: Nursery, whole: tuple[dict[str, str], float], tmp_path: Path, seed: int
    ) -> None:
        chance = random.Random(seed)
        found = write(tmp_path)
        assert nurse.order("build", found) == 0
        assert nurse.order("promote", found, version=1) == 0
        write(tmp_path, memory_mib=1024)
        for _ in range(4):
            nurse.order("build", found, after_s=chance.uniform(0, 1.2 * whole[1]))
            check_whole(found)
            assert digests(found, 1) == whole[0]
            assert served_version(found).number == 1
        assert nurse.order("build", found) == 0
        check_tidy(found, 1, 2)
        assert Aliases.load(found.path) == Aliases(1)

    @pytest.mark.parametrize("seed", range(2))
    def test_a_restore(
        self, nurse: Nursery, whole: tuple[dict[str, str], float], tmp_path: Path, seed: int
    ) -> None:
        chance = random.Random(seed)
        found = write(tmp_path)
        assert nurse.order("build", found) == 0
        for _ in range(4):
            for name in ("model.ort", "model.onnx"):
                (found.path / "versions" / "1" / name).unlink(missing_ok=True)
            nurse.order("build", found, after_s=chance.uniform(0, whole[1]))
            # Files come back one by one, each whole; the version counts again with the last.
            assert found.version(1).changed_files() == []
        assert nurse.order("build", found) == 0
        check_tidy(found, 1)
        assert digests(found, 1) == whole[0]


class TestMoves:
    """From live = 1 to live = 2 or a canary, and back."""

    BEFORE = Aliases(1, previous=(2,))
    MOVES = (
        ("promote", {"version": 2}, Aliases(2, previous=(2, 1))),
        ("promote", {"version": 2, "weight": 0.5}, Aliases(1, Canary(2, 0.5), (2,))),
        ("rollback", {}, Aliases(2)),
    )

    @pytest.fixture
    def found(self, tmp_path: Path) -> ModelFolder:
        for number in (1, 2):
            write_version(tmp_path / "demo_model" / "versions" / str(number), identity(), version=number)
        return ModelFolder(tmp_path / "demo_model")

    def reset(self, found: ModelFolder) -> None:
        (found.path / FILE_NAME).write_text(f"# Ours.\n{self.BEFORE.to_toml()}")

    def state(self, found: ModelFolder) -> Aliases | None:
        text = (found.path / FILE_NAME).read_text()
        assert text.startswith("# Ours.\n")
        return Aliases.parse(text)

    @pytest.mark.parametrize(("do", "how", "after"), MOVES)
    def test_before_every_access_to_the_disk(
        self, nurse: Nursery, found: ModelFolder, do: str, how: dict[str, Any], after: Aliases
    ) -> None:
        states = []
        for access in range(100):
            self.reset(found)
            if nurse.order(do, found, **how, access=access) == 0:
                break
            states.append(self.state(found))
        # The old state up to the rename, the new one from there on.
        moved = states.index(after)
        assert 0 < moved < len(states)
        assert states == [self.BEFORE] * moved + [after] * (len(states) - moved)
        assert self.state(found) == after
        assert sorted(path.name for path in found.path.iterdir()) == [FILE_NAME, "versions"]

    @pytest.mark.parametrize(("do", "how", "after"), MOVES)
    def test_at_any_moment(
        self, nurse: Nursery, found: ModelFolder, do: str, how: dict[str, Any], after: Aliases
    ) -> None:
        chance = random.Random(0)
        self.reset(found)
        began_s = time.monotonic()
        assert nurse.order(do, found, **how) == 0
        took_s = time.monotonic() - began_s
        for _ in range(25):
            self.reset(found)
            code = nurse.order(do, found, **how, after_s=chance.uniform(0, took_s))
            assert self.state(found) in ((after,) if code == 0 else (self.BEFORE, after))
        self.reset(found)
        assert nurse.order(do, found, **how) == 0
        assert self.state(found) == after
