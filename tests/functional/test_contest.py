"""Builds in which candidates compete: what wins, what is written down, and that it can be made again."""

import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from support.networks import DATA, convolutions, mlp
from support.sources import write_model

from modelet.build.contest import ring
from modelet.build.optimise import Artifact, Candidate, optimise
from modelet.build.pipeline import Outcome, build
from modelet.errors import OwnerCodeFailed, RecipeRefused, SourceRefused
from modelet.golden import Golden
from modelet.repository import ModelFolder, served_version
from modelet_runtime import startup
from modelet_runtime.http.messages import Request
from modelet_runtime.settings import Settings

SAMPLES = {"samples": "data.py:samples"}


def write(
    folder: Path, proto: onnx.ModelProto | None = None, data: str = DATA, **sections: Any
) -> ModelFolder:
    """A model folder with real samples."""
    model = write_model(folder, proto or mlp(), **{"golden": SAMPLES, **sections})
    (folder / "data.py").write_text(data)
    return model


def passport(model: ModelFolder, number: int = 1) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((model.version(number).folder / "passport.json").read_bytes())
    return document


def digests(model: ModelFolder, number: int = 1) -> dict[str, str]:
    folder = model.path / "versions" / str(number)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFolder, Outcome, list[str]]:
    model = write(
        tmp_path_factory.mktemp("auto") / "demo_mlp",
        golden={**SAMPLES, "targets": "data.py:targets"},
        model={"labels": ["a", "b", "c", "d"]},
    )
    doing: list[str] = []
    return model, build(model, doing.append), doing


class TestAuto:
    def test_all_that_fits_competes(self, auto):
        names = {candidate["name"] for candidate in passport(auto[0])["candidates"]}
        statics = {f"int8-static-{method}" for method in ("minmax", "percentile", "entropy", "mse")}
        assert names >= {"fp32", "int8-dynamic", *statics, "int8-weights", "int4-weights", "stock"}

    def test_the_winner_is_within_the_bound_and_not_slower(self, auto):
        found = passport(auto[0])
        winner = next(c for c in found["candidates"] if c["name"] == found["winner"]["name"])
        assert found["passed"]
        assert winner["rejected"] == ""
        assert found["bound"] == {"metric": "accuracy_drop", "limit": 0.01}
        assert winner["accuracy"]["accuracy_drop"] <= 0.01
        assert all(c["rejected"] for c in found["candidates"] if c is not winner)

    def test_every_figure_of_a_candidate_is_there(self, auto):
        for candidate in passport(auto[0])["candidates"]:
            assert not candidate["failure"]
            assert candidate["bytes"] > candidate["gzip_bytes"] > 0
            assert candidate["accuracy"]["accuracy"] is not None
            assert candidate["latency_ms"]["p95"] >= candidate["latency_ms"]["median"] > 0
            assert candidate["session_load_ms"]["median"] > 0
            assert candidate["peak_mib"] > 10
            assert (candidate["race"] is None) == (candidate["name"] == "fp32")

    def test_how_long_it_took_and_on_what_is_said(self, auto):
        found = passport(auto[0])
        contest = found["contest"]
        assert (contest["calibration_runs"], contest["evaluation_runs"]) == (60, 60)
        assert (contest["held_out"], contest["has_targets"], contest["budget_s"]) == (True, True, 60)
        assert found["data"]["runs"] == 121
        assert [point["rows"] for point in found["batch_curve"]] == [1, 2, 4, 8, 16, 32, 64]

    def test_progress_is_told(self, auto):
        _, outcome, doing = auto
        assert any(line.startswith("compete: int8-static-mse: measuring (") for line in doing)
        assert any(" of 60 s)" in line for line in doing)
        assert outcome.notes[0] == passport(auto[0])["winner"]["reason"]

    def test_the_manifest_says_how_it_was_made(self, auto):
        manifest, found = auto[0].version(1).manifest, passport(auto[0])
        assert manifest.graph.file == found["winner"]["file"]
        assert manifest.graph.precision == found["winner"]["precision"]
        assert manifest.proof.passed


class TestRestore:
    @pytest.mark.parametrize(
        "wanted",
        [
            {"precision": "int8-static", "calibration": "mse"},
            {"precision": "int8-dynamic"},
            {"precision": "int8-weights"},
            {"precision": "int4-weights", "accuracy": {"metric": "cosine", "limit": 0.5}},
            {"precision": "fp32", "prune": 0.5, "accuracy": {"metric": "cosine", "limit": 0.1}},
        ],
        ids=lambda wanted: wanted["precision"],
    )
    def test_the_winner_is_made_again_with_the_same_bytes_and_no_contest(self, tmp_path, wanted):
        wanted = {"accuracy": {"metric": "cosine", "limit": 0.9}, **wanted}
        model = write(tmp_path / "demo_mlp", optimize=_inline(wanted))
        build(model, accept="speed is no concern here")
        before = digests(model)
        for name in ("model.ort", "model.onnx"):
            (model.path / "versions" / "1" / name).unlink()
        doing: list[str] = []
        outcome = build(model, doing.append)
        assert (outcome.action, outcome.version) == ("restored", 1)
        assert digests(model) == before
        assert not any("compete" in line for line in doing)


def _inline(keys: dict[str, Any]) -> dict[str, Any]:
    """Tables of a table as dotted keys, as JSON and TOML do not share their form."""
    flat: dict[str, Any] = {}
    for key, found in keys.items():
        flat |= {f"{key}.{name}": v for name, v in found.items()} if isinstance(found, dict) else {key: found}
    return flat


class TestForms:
    def test_convolutions_compete_in_both(self, tmp_path):
        """Which of the two wins depends on the CPU."""
        model = write(tmp_path / "demo_conv", convolutions(), golden={})
        build(model)
        found = passport(model)
        names = [candidate["name"] for candidate in found["candidates"]]
        assert names == ["fp32", "fp32-onnx", "stock"]
        file = model.version(1).manifest.graph.file
        assert file == found["winner"]["file"]
        settings = Settings(model.version(1).folder, 1769, 1, True, "test")
        application = startup.begin(settings).finish()
        assert application(Request("GET", "/v2/health/ready")).status == 200

    def test_no_other_form_of_the_same_graph(self, auto):
        names = [candidate["name"] for candidate in passport(auto[0])["candidates"]]
        assert not [name for name in names if name.endswith("-onnx")]


class TestFailures:
    def test_a_candidate_that_fails_is_reported_and_the_others_go_on(self, tmp_path, monkeypatch):
        def failing(candidate: Candidate, target: Any, folder: Path) -> Artifact:
            if candidate.precision == "int8-dynamic":
                raise RuntimeError("no such kernel")
            artifact = optimise(candidate, target, folder)
            if candidate.precision == "int8-weights":
                artifact.ort.write_bytes(b"not a graph")
            return artifact

        monkeypatch.setattr(ring, "optimise", failing)
        model = write(tmp_path / "demo_mlp", optimize={"calibration": "minmax"})
        outcome = build(model)
        by_name = {candidate["name"]: candidate for candidate in passport(model)["candidates"]}
        assert by_name["int8-dynamic"]["failure"] == "RuntimeError: no such kernel"
        assert "model.ort" in by_name["int8-weights"]["failure"]
        assert by_name["int8-static-minmax"]["accuracy"]
        assert [note for note in outcome.notes if note.startswith("int8-dynamic: failed: ")]

    def test_nothing_is_begun_after_the_budget(self, tmp_path):
        model = write(tmp_path / "demo_mlp", optimize={"budget_s": 1})
        build(model)
        last = passport(model)["candidates"][-2]
        assert last["rejected"] == "not tried: the contest's 1 s were over (budget_s)"

    def test_few_samples_keep_fp32(self, tmp_path):
        model = write(tmp_path / "demo_mlp", data=DATA.replace("120", "20"), optimize={"calibration": "mse"})
        build(model)
        found = passport(model)
        assert found["winner"]["precision"] == "fp32"
        assert "fewer than 32 samples" in found["winner"]["reason"]

    def test_a_precision_that_fits_nothing_is_refused(self, tmp_path):
        model = write(
            tmp_path / "demo_mlp",
            optimize=_inline({"precision": "int8-static", "exclude": {"operators": ["Gemm"]}}),
        )
        with pytest.raises(
            RecipeRefused, match=r"optimize\.precision: int8-static fits nothing in the graph"
        ):
            build(model)

    def test_targets_have_to_be_as_many_as_samples(self, tmp_path):
        golden = {**SAMPLES, "targets": "data.py:targets"}
        model = write(tmp_path / "demo_mlp", data=DATA + "\ndef targets(): return [1, 2]\n", golden=golden)
        with pytest.raises(OwnerCodeFailed, match=r"data\.py:targets returned 2 targets for 120 samples"):
            build(model)

    def test_targets_are_a_function(self, tmp_path):
        model = write(tmp_path / "demo_mlp", golden={**SAMPLES, "targets": "labels.txt"})
        with pytest.raises(SourceRefused, match=r"golden\.targets: 'labels.txt' is no function"):
            build(model)


class TestProof:
    """int8 that may lose nothing at all does not pass: the version is written, but not for callers."""

    STRICT = _inline(
        {"precision": "int8-dynamic", "accuracy": {"metric": "max_abs_diff", "limit": 0.0}, "budget_s": 30}
    )

    def test_a_version_that_fails_is_not_served_until_accepted(self, tmp_path):
        model = write(tmp_path / "demo_mlp", optimize=self.STRICT)
        outcome = build(model)
        assert (outcome.action, outcome.version, outcome.is_proven) == ("built", 1, False)
        assert passport(model)["winner"]["reason"].startswith("int8-dynamic was asked for: outside the bound")
        assert (model.version(1).is_proven, served_version(model)) == (False, None)
        again = build(model)
        assert (again.action, again.is_proven) == ("kept", False)

        accepted = build(model, accept="only a demonstration")
        assert (accepted.action, accepted.version, accepted.is_proven) == ("built", 2, True)
        assert accepted.reason == "the failed proof of version 1 is accepted"
        manifest = model.version(2).manifest
        assert (manifest.proof.passed, manifest.proof.accepted) == (False, "only a demonstration")
        found = passport(model, 2)
        assert (found["passed"], found["accepted"]) == (False, "only a demonstration")
        assert not model.version(1).is_proven
        version = served_version(model)
        assert version is not None
        assert version.number == 2
        assert build(model, accept="again").action == "kept"

    def test_a_version_that_passes_needs_no_excuse(self, tmp_path):
        model = write(tmp_path / "demo_mlp", optimize={"precision": "fp32"})
        build(model, accept="just in case")
        assert model.version(1).manifest.proof.accepted == ""

    def test_golden_answers_are_the_originals_within_what_was_measured(self, tmp_path):
        wanted = {"precision": "int8-dynamic", "accuracy": {"metric": "cosine", "limit": 0.9}}
        model = write(tmp_path / "demo_mlp", optimize=_inline(wanted))
        build(model, accept="speed is no concern here")
        golden = Golden.load(model.version(1).folder)
        largest = passport(model)["candidates"][1]["accuracy"]["max_abs_diff"]
        assert golden.tolerance.rtol == 1e-3
        assert 1e-4 < golden.tolerance.atol < 10 * largest


def test_pruning_is_reported_with_what_it_does(tmp_path):
    model = write(
        tmp_path / "demo_mlp",
        optimize=_inline(
            {"precision": "fp32", "prune": 0.8, "accuracy": {"metric": "top1_agreement", "limit": 0.1}}
        ),
    )
    build(model)
    found = passport(model)
    pruning = found["pruning"]
    assert pruning["zeros"] == pytest.approx(0.8, abs=0.01)
    assert 0.2 < pruning["gzip_ratio"] < 0.6
    assert pruning["accuracy"]["top1_agreement"] >= 0.1
    assert "fp32-pruned80" in {candidate["name"] for candidate in found["candidates"]}


def test_what_int8_loses_is_mended_by_leaving_nodes_out(tmp_path):
    """Eight bits are too few for a channel with one huge weight of a unit that is never active."""
    from onnx import numpy_helper

    proto = mlp()
    held = {tensor.name: tensor for tensor in proto.graph.initializer}
    dead, bias, huge = (numpy_helper.to_array(held[name]).copy() for name in ("w1", "b1", "w2"))
    dead[:, 0], bias[0], huge[0] = 0.0, 0.0, 300.0
    for name, array in {"w1": dead, "b1": bias, "w2": huge}.items():
        held[name].CopyFrom(numpy_helper.from_array(array, name))
    wanted = {
        "precision": "int8-static",
        "calibration": "minmax",
        "accuracy": {"metric": "cosine", "limit": 0.9999},
    }
    # A graph of 16 by 256 is of microseconds; whether it is slower says nothing here.
    model = write(tmp_path / "demo_mlp", proto, optimize=_inline(wanted))
    build(model, accept="speed is no concern here")
    found = passport(model)
    mixed = next(c for c in found["candidates"] if c["name"] == "int8-static-minmax-mixed")
    assert "second" in mixed["left_out"]
    assert mixed["accuracy"]["cosine"] > 0.9999
    assert found["sensitivity"]["int8-static-minmax"][0]["nodes"] == ["second"]
