"""Whole builds: what lies in a version, that it is the same every time, and that a kill breaks nothing."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.graphs import NAMED, add_and_scale, identity, model, table_lookup, value
from support.sources import write_model, write_recipe

from modelet.build import cases
from modelet.build.pipeline import STAGES, build
from modelet.errors import GraphRefused, OwnerCodeFailed, ProofFailed, Refused, SourceRefused
from modelet.golden import Golden
from modelet.repository import ModelFolder, served_version
from modelet_runtime.digests import verify
from modelet_runtime.ort import OrtSession
from modelet_runtime.steps import pipeline

TRAIN = """
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)

def build():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(X, y)

def samples():
    return X[::10]
"""


def files(model: ModelFolder, number: int = 1) -> dict[str, str]:
    """Digest of every file of a version, its passport and the passport's page excepted: these hold times."""
    folder = model.path / "versions" / str(number)
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.stem != "passport"
    }


def wide(seed: int = 0) -> onnx.ModelProto:
    random = np.random.default_rng(seed)
    weights = [numpy_helper.from_array(random.random((16, 16), np.float32), f"w{i}") for i in range(6)]
    kinds = ["Relu", "Tanh", "Sigmoid", "Erf", "Abs", "Neg"]
    nodes = [helper.make_node("MatMul", ["x", f"w{i}"], [f"m{i}"]) for i in range(6)]
    nodes += [helper.make_node(kind, [f"m{i}"], [f"a{i}"]) for i, kind in enumerate(kinds)]
    nodes.append(helper.make_node("Sum", [f"a{i}" for i in range(6)], ["y"]))
    shape = ("n", 16)
    return model(
        nodes, [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, shape)], weights
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A scikit-learn model, built once for all tests that look at it."""
    folder = tmp_path_factory.mktemp("models") / "iris_species"
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN)
    names = {"labels": ["setosa", "versicolor", "virginica"], "description": "Species of irises."}
    found = write_recipe(
        folder,
        "train.py:build",
        model=names,
        golden={"samples": "train.py:samples"},
        output={"steps": [{"name": "labels", "top_k": 1}]},
        resources={"memory_mib": 512},
    )
    stages = []
    outcome = build(found, stages.append)
    assert (outcome.action, outcome.version) == ("built", 1)
    assert [stage for stage in stages if ":" not in stage] == list(STAGES)
    return found


class TestVersion:
    def test_the_manifest_says_what_it_is(self, trained):
        manifest = served_version(trained).manifest
        assert (manifest.name, manifest.version, manifest.source.kind) == ("iris_species", 1, "sklearn")
        assert [(spec.name, spec.datatype, spec.shape) for spec in manifest.signature.inputs] == [
            ("features", "FP32", (-1, 4))
        ]
        assert [spec.name for spec in manifest.signature.outputs] == ["label", "probabilities"]
        assert manifest.labels == ("setosa", "versicolor", "virginica")
        assert manifest.resources.memory_mib == 512
        assert {"ai.onnx", "ai.onnx.ml"} == set(manifest.graph.opsets)
        assert {"onnxruntime", "scikit-learn", "skl2onnx"} < set(manifest.tools)

    def test_every_file_has_its_digest_but_the_passport(self, trained):
        version = served_version(trained)
        assert set(version.manifest.files) == set(files(trained)) - {"manifest.json"}
        assert version.changed_files() == []
        verify(version.folder, version.manifest.files, version.manifest.files)

    def test_the_golden_cases_are_the_estimators_own_answers(self, trained):
        golden = Golden.load(served_version(trained).folder)
        assert (golden.origin, len(golden.cases)) == ("train.py:samples", 16)
        assert [tensor.shape for tensor in golden.cases[0].inputs] == [(4, 4)]
        peer: dict[str, Any] = {}
        exec(TRAIN, peer)
        expected = peer["build"]().predict(peer["samples"]()).tolist()
        assert list(golden.cases[0].outputs[0].values()) == expected[:4]
        assert [case.outputs[0].values()[0] for case in golden.cases[1:]] == expected

    def test_the_passport_holds_the_proof(self, trained):
        passport = json.loads((served_version(trained).folder / "passport.json").read_bytes())
        candidate, stock = passport["candidates"]
        assert passport["passed"]
        assert passport["data"]["runs"] == 16
        assert candidate["precision"] == passport["winner"]["precision"] == "fp32"
        assert candidate["bytes"] > candidate["gzip_bytes"] > 0
        assert (stock["name"], stock["rejected"]) == ("stock", "measured for comparison")
        assert stock["race"]["rounds"] >= 15
        assert [point["rows"] for point in passport["batch_curve"]] == [1, 2, 4, 8, 16, 32, 64]
        assert {output["output"]: output["outside_tolerance"] for output in passport["parity"]} == {
            "label": 0,
            "probabilities": 0,
        }

    def test_it_runs_in_the_functions_runtime_with_its_steps(self, trained):
        version = served_version(trained)
        steps = pipeline.build(version.manifest, version.folder)
        with OrtSession(version.folder / "model.ort") as session:
            case = Golden.load(version.folder).cases[-1]
            row = {tensor.name: tensor for tensor in session.run(case.inputs)}
        probabilities = row["probabilities"]
        row["probabilities"] = type(probabilities)(
            "probabilities", probabilities.datatype, (3,), probabilities.data
        )
        assert steps.decode(row, None)["label"] == "virginica"

    def test_no_path_of_this_machine_is_in_any_file(self, trained):
        for path in served_version(trained).folder.iterdir():
            assert str(trained.path.parent).encode() not in path.read_bytes(), path.name


class TestReproducible:
    def test_training_and_building_twice_gives_the_same_bytes(self, trained, tmp_path, monkeypatch):
        """However the machine is set up: another kernel or thread count alone gives other weights."""
        settings = {
            "OPENBLAS_CORETYPE": "Nehalem",
            "OMP_NUM_THREADS": "2",
            "PYTHONHASHSEED": "7",
            "TZ": "Asia/Tokyo",
        }
        for name, setting in settings.items():
            monkeypatch.setenv(name, setting)
        again = ModelFolder(shutil.copytree(trained.path, tmp_path / "iris_species"))
        shutil.rmtree(again.path / "versions")
        build(again)
        assert files(again) == files(trained)

    @pytest.mark.parametrize("name", list(NAMED))
    def test_so_does_every_graph(self, name, tmp_path):
        first, second = (write_model(tmp_path / place / name, NAMED[name]) for place in "ab")
        build(first)
        build(second)
        assert files(first) == files(second)

    def test_nothing_to_do_is_nothing_done(self, trained):
        before = files(trained)
        outcome = build(trained, pytest.fail)
        assert (outcome.action, outcome.version) == ("kept", 1)
        assert files(trained) == before

    def test_a_change_is_the_next_version_and_leaves_the_last_as_it_is(self, tmp_path):
        found = write_model(tmp_path / "demo_sum", add_and_scale())
        build(found)
        before = files(found)
        write_model(tmp_path / "demo_sum", add_and_scale(), resources={"memory_mib": 512})
        outcome = build(found)
        assert (outcome.action, outcome.version) == ("built", 2)
        assert outcome.reason == "the source or the recipe changed"
        assert files(found) == before
        assert served_version(found).manifest.resources.memory_mib == 512
        assert files(found, 2)["model.ort"] == before["model.ort"]


class TestRestore:
    """A checkout has manifests, golden files and passports, but no binaries."""

    @pytest.fixture
    def found(self, tmp_path):
        found = write_model(tmp_path / "demo_wide", wide(), model={"assets": ["words.txt"]})
        (found.path / "words.txt").write_text("a")
        build(found)
        return found

    def test_missing_binaries_are_made_again_and_nothing_else_is_touched(self, found):
        before = files(found)
        passport = (served_version(found).folder / "passport.json").read_bytes()
        folder = served_version(found).folder
        for name in ("model.ort", "model.onnx", "words.txt"):
            (folder / name).unlink()
        assert served_version(found) is None
        stages = []
        outcome = build(found, stages.append)
        assert (outcome.action, outcome.version) == ("restored", 1)
        assert "prove" not in stages
        assert files(found) == before
        assert (folder / "passport.json").read_bytes() == passport

    def test_a_changed_file_is_made_again(self, found):
        before = files(found)
        (served_version(found).folder / "model.ort").write_bytes(b"changed")
        assert build(found).action == "restored"
        assert files(found) == before

    def test_bytes_that_cannot_be_made_here_become_the_next_version(self, found):
        folder = served_version(found).folder
        document = json.loads((folder / "manifest.json").read_bytes())
        document["files"]["model.ort"]["sha256"] = "0" * 64
        (folder / "manifest.json").write_text(json.dumps(document))
        (folder / "model.ort").unlink()
        outcome = build(found)
        assert (outcome.action, outcome.version) == ("built", 2)
        assert outcome.reason.startswith(
            "model.ort of version 1 cannot be made again with the same bytes here"
        )
        assert served_version(found).number == 2
        assert build(found).action == "kept"

    def test_a_lost_golden_file_becomes_the_next_version(self, found):
        (served_version(found).folder / "golden.json").unlink()
        assert (build(found).action, served_version(found).number) == ("built", 2)


class TestRefused:
    """Whatever is refused, nothing is written."""

    def refuse(self, model, error, message):
        before = sorted(str(path) for path in model.path.rglob("*"))
        with pytest.raises(error, match=message):
            build(model)
        assert sorted(str(path) for path in model.path.rglob("*")) == before

    def test_a_graph(self, tmp_path):
        self.refuse(
            write_model(tmp_path / "demo", identity(TensorProto.COMPLEX64)), GraphRefused, "COMPLEX64"
        )

    def test_a_training_that_fails(self, tmp_path):
        folder = tmp_path / "demo"
        folder.mkdir()
        (folder / "train.py").write_text("def build():\n    raise MemoryError('too much')\n")
        self.refuse(write_recipe(folder, "train.py:build"), OwnerCodeFailed, "MemoryError: too much")

    def test_samples_that_do_not_fit(self, tmp_path):
        model = write_model(tmp_path / "demo", identity(), golden={"samples": "data.py:rows"})
        (model.path / "data.py").write_text("def rows(): return [[1.0, 2.0, 3.0], [1.0, 2.0]]\n")
        self.refuse(
            model, SourceRefused, r"row 1 of data\.py:rows: tensor 'x': expected shape \[3\], got \[2\]"
        )

    def test_a_model_that_takes_no_made_up_inputs(self, tmp_path):
        nodes = [
            helper.make_node("Reshape", ["x", "shape"], ["r"]),
            helper.make_node("Identity", ["r"], ["y"]),
        ]
        shape = numpy_helper.from_array(np.array([7, 13]), "shape")
        x = value("x", TensorProto.FLOAT, ("n",))
        proto = model(nodes, [x], [value("y", TensorProto.FLOAT, (7, 13))], [shape])
        model_folder = write_model(tmp_path / "demo", proto)
        self.refuse(model_folder, SourceRefused, r"takes no made-up inputs .*: name real ones with samples")
        (model_folder.path / "data.py").write_text("import numpy as np\ndef rows(): return [np.ones(91)]\n")
        write_recipe(model_folder.path, "model.onnx", golden={"samples": "data.py:rows"})
        assert build(model_folder).action == "built"

    def test_an_artifact_that_answers_otherwise(self, tmp_path):
        """The difference of two large products is lost in single precision."""
        folder = tmp_path / "demo"
        folder.mkdir()
        (folder / "train.py").write_text(
            "import numpy as np\n"
            "from sklearn.linear_model import LinearRegression\n"
            "def build():\n"
            "    made = LinearRegression(fit_intercept=False).fit(np.eye(2), [0, 0])\n"
            "    made.coef_ = np.array([1e8 + 1, -1e8])\n"
            "    return made\n"
            "def samples(): return [[1, 1], [1, 0.9999999]]\n"
        )
        model = write_recipe(folder, "train.py:build", golden={"samples": "train.py:samples"})
        self.refuse(
            model, ProofFailed, "the artifact differs from the original: . of 4 elements of output 'variable'"
        )


def test_hooks_ship_with_the_version_and_see_its_samples(tmp_path):
    folder = tmp_path / "text_length"
    (folder / "samples").mkdir(parents=True)
    (folder / "samples" / "a.txt").write_text("abc")
    (folder / "samples" / "b.txt").write_text("")
    (folder / "scale.txt").write_text("2")
    (folder / "hooks.py").write_text(
        "from modelet_runtime.steps.base import Answered, Encoded\n"
        "from modelet_runtime.tensor import DATATYPES, Tensor\n"
        "class Hooks:\n"
        "    media_types = ('text/plain',)\n"
        "    def __init__(self, folder, manifest):\n"
        "        self.scale = int((folder / 'scale.txt').read_text())\n"
        "    def encode(self, value):\n"
        "        if not value: return Answered(0)\n"
        "        x = [self.scale * len(value)] * 3\n"
        "        return Encoded({'x': Tensor.from_values('x', DATATYPES['FP32'], (3,), x)})\n"
        "    def decode(self, outputs, context): return outputs['y'].values()[0]\n"
    )
    hook = {"steps": [{"name": "hook"}]}
    found = write_model(
        folder,
        identity(),
        model={"hooks": "hooks.py", "assets": ["scale.txt"]},
        input=hook,
        output=hook,
        golden={"samples": "samples/*.txt"},
    )
    build(found)
    version = served_version(found)
    assert {"hooks.py", "scale.txt"} < set(version.manifest.files)
    [case] = Golden.load(version.folder).cases
    assert list(case.inputs[0].values()) == [6, 6, 6]


def test_indices_stay_in_their_table(tmp_path):
    """Made-up integers begin small and become smaller until the model takes them."""
    found = write_model(tmp_path / "demo_lookup", table_lookup(rows=2))
    build(found)
    golden = Golden.load(served_version(found).folder)
    assert golden.origin == cases.RANDOM
    assert {number for case in golden.cases for number in case.inputs[0].values()} <= {0, 1}


WATCHED = """
import os, signal, sys
from pathlib import Path
from modelet.build import pipeline, stages
from modelet.repository import ModelFolder

folder, point, seen = os.path.realpath(sys.argv[1]), int(sys.argv[2]), []

def watch(event, arguments):
    if event in {"open", "os.rename", "os.mkdir", "os.chmod", "os.remove", "os.rmdir"}:
        if str(arguments[0]).startswith(folder + "/versions"):
            if len(seen) == point:
                os.kill(os.getpid(), signal.SIGKILL)
            # The page of the passport comes after the version and is made again with the next build.
            is_page = event == "os.rename" and str(arguments[1]).endswith("passport.html")
            seen.append("page" if is_page else event)

sys.addaudithook(watch)
pipeline.build(ModelFolder(Path(folder)))
print(len(seen), len(seen) - seen[::-1].index("os.rename") - 1)
"""
NEVER = -1


def watched(model: ModelFolder, point: int) -> tuple[int, int] | None:
    """Build in a process that is killed before its access number `point` to the versions.

    Returns:
        How many accesses there were and which was the last rename; None if it was killed.
    """
    command = [sys.executable, "-c", WATCHED, str(model.path), str(point)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    if done.returncode:
        return None
    count, last_rename = done.stdout.split()
    return int(count), int(last_rename)


def without_binaries(model: ModelFolder) -> None:
    for name in ("model.ort", "model.onnx"):
        (model.path / "versions" / "1" / name).unlink()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed build: its files, and the points where a build and a restore can be killed."""
    found = write_model(tmp_path_factory.mktemp("whole") / "demo_wide", wide())
    build_points = watched(found, NEVER)
    built = files(found)
    without_binaries(found)
    return built, build_points, watched(found, NEVER)


class TestKilled:
    """Killed wherever something is written: the next build finds the old or the new state."""

    @pytest.mark.parametrize("tenth", range(10))
    def test_a_first_build(self, whole, tmp_path, tenth):
        built, (count, rename), _ = whole
        # Over the whole build, and right before and after the step that makes the version visible.
        point = {8: rename, 9: rename + 1}.get(tenth, count * tenth // 10)
        found = write_model(tmp_path / "demo_wide", wide())
        assert watched(found, point) is None
        assert (served_version(found) is None) == (point <= rename)
        assert build(found).version == 1
        assert files(found) == built
        assert [entry.name for entry in (found.path / "versions").iterdir()] == ["1"]

    @pytest.mark.parametrize("sixth", range(6))
    def test_a_restore(self, whole, tmp_path, sixth):
        built, _, (count, rename) = whole
        point = {4: rename, 5: rename + 1}.get(sixth, count * sixth // 6)
        found = write_model(tmp_path / "demo_wide", wide())
        build(found)
        without_binaries(found)
        assert watched(found, point) is None
        assert (served_version(found) is None) == (point <= rename)
        assert build(found).version == 1
        assert files(found) == built


def test_two_builds_at_once_make_one_version(tmp_path):
    found = write_model(tmp_path / "demo_wide", wide())
    script = (
        "import sys; from pathlib import Path; from modelet.build.pipeline import build;"
        "from modelet.repository import ModelFolder; print(build(ModelFolder(Path(sys.argv[1]))).action)"
    )
    command = [sys.executable, "-c", script, str(found.path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate()[0].strip() for process in running) == ["built", "kept"]
    assert [version.number for version in found.versions()] == [1]


def test_a_refusal_says_what_to_do(tmp_path):
    found = write_model(tmp_path / "demo", identity())
    (found.path / "model.onnx").unlink()
    with pytest.raises(Refused) as caught:
        build(found)
    assert caught.value.remedy
    assert Path("model.onnx").name in caught.value.reason
