"""Two versions side by side: figures, and the answers that both give to the golden inputs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.artifacts import write_version
from support.graphs import add_and_scale, identity, model, value

from modelet.cli import run
from modelet.compare.answers import compare
from modelet.compare.figures import Figure, figures
from modelet.golden import Case, Golden, Tolerance
from modelet.repository import ModelFolder, Version
from modelet_runtime.manifest import Step
from modelet_runtime.tensor import DATATYPES, Tensor

ROWS = [[0.0, 1.0, 0.0], [0.5, 0.4, 0.1], [2.0, 1.9, 0.0]]
PASSPORT = {
    "winner": {"name": "int8"},
    "candidates": [
        {"name": "fp32", "latency_ms": {"median": 9.0}},
        {
            "name": "int8",
            "gzip_bytes": 700,
            "latency_ms": {"median": 2.0, "p95": 3.0},
            "session_load_ms": {"median": 1.0, "p95": 2.0},
            "race": {"ratio": 0.5},
            "peak_mib": 30.5,
            "accuracy": {"top1_agreement": 0.99, "cosine": 1.0, "max_abs_diff": 0.02, "accuracy": None},
        },
    ],
}


def scaled(*factors: float) -> onnx.ModelProto:
    """`y = x * factors` over `FP32[n,3]`."""
    constant = numpy_helper.from_array(np.array(factors, np.float32), "factors")
    shape = ("n", 3)
    return model(
        [helper.make_node("Mul", ["x", "factors"], ["y"])],
        [value("x", TensorProto.FLOAT, shape)],
        [value("y", TensorProto.FLOAT, shape)],
        [constant],
    )


def tensor(*rows: list[float]) -> Tensor:
    return Tensor.from_values("x", DATATYPES["FP32"], (len(rows), 3), [x for row in rows for x in row])


def add(
    root: Path,
    number: int,
    proto: onnx.ModelProto,
    cases: tuple[Case, ...] | None = None,
    passport: Any = None,
    **changes: Any,
) -> Version:
    folder = root / "demo_model" / "versions" / str(number)
    write_version(folder, proto, version=number, **changes)
    if cases is None:
        cases = (Case((tensor(*ROWS),), ()),)
    golden = Golden("train.py:samples", Tolerance(1e-3, 1e-4), cases)
    (folder / "golden.json").write_bytes(golden.to_bytes())
    (folder / "passport.json").write_text(json.dumps(passport or {}))
    return ModelFolder(root / "demo_model").version(number)


LABELS: dict[str, Any] = {"labels": ("cat", "dog", "eel"), "output_steps": (Step("labels"),)}


class TestAnswers:
    def test_equal_versions_change_nothing(self, tmp_path):
        found = compare(add(tmp_path, 1, scaled(1, 1, 1)), add(tmp_path, 2, identity()))
        assert (found.rows, found.changed, found.examples, found.left_out) == (3, 0, (), 0)
        assert found.outputs[0]["max_abs_diff"] == 0
        assert found.speed.pairs >= 15
        assert found.speed.low <= found.speed.value <= found.speed.high

    def test_numbers_outside_of_the_tolerance_are_changes(self, tmp_path):
        found = compare(add(tmp_path, 1, identity()), add(tmp_path, 2, scaled(1, 1, 1.05)))
        # Only the second row has a third number that is not zero.
        assert (found.rows, found.changed) == (3, 1)
        assert (found.examples[0].case, found.examples[0].row) == (0, 1)
        assert found.outputs[0]["outside_tolerance"] == 1
        assert found.outputs[0]["max_abs_diff"] == pytest.approx(0.005, rel=1e-3)

    def test_within_the_tolerance_they_are_none(self, tmp_path):
        found = compare(add(tmp_path, 1, identity()), add(tmp_path, 2, scaled(1, 1, 1.0005)))
        assert found.changed == 0
        assert found.outputs[0]["max_abs_diff"] > 0

    def test_with_labels_only_another_label_is_a_change(self, tmp_path):
        first = add(tmp_path, 1, identity(), **LABELS)
        found = compare(first, add(tmp_path, 2, scaled(1, 1.1, 1), **LABELS))
        # 2.0 against 1.9 * 1.1; the other rows keep their largest score.
        assert (found.rows, found.changed) == (3, 1)
        assert found.examples[0].row == 2
        assert json.loads(found.examples[0].a)["label"] == "cat"
        assert json.loads(found.examples[0].b)["label"] == "dog"

    def test_other_names_for_the_same_scores_are_changes(self, tmp_path):
        first = add(tmp_path, 1, identity(), **LABELS)
        renamed = {**LABELS, "labels": ("cat", "hound", "eel")}
        assert compare(first, add(tmp_path, 2, identity(), **renamed)).changed == 1

    def test_the_golden_inputs_of_both_are_run_each_once(self, tmp_path):
        first = add(tmp_path, 1, identity(), (Case((tensor(ROWS[0]),), ()), Case((tensor(ROWS[1]),), ())))
        second = add(tmp_path, 2, identity(), (Case((tensor(ROWS[1]),), ()), Case((tensor(ROWS[2]),), ())))
        assert compare(first, second).rows == 3

    def test_inputs_that_only_one_takes_are_left_out(self, tmp_path):
        first = add(tmp_path, 1, identity())
        second = add(tmp_path, 2, identity(shape=("n", 4)), cases=())
        found = compare(first, second)
        assert (found.rows, found.left_out, found.speed) == (0, 1, None)

    def test_outputs_that_only_one_has_are_changes(self, tmp_path):
        a, b = (Tensor.from_values(n, DATATYPES["FP32"], (1, 2), [1.0, 2.0]) for n in "ab")
        first = add(tmp_path, 1, add_and_scale(), (Case((a, b), ()),))
        shape = ("n", 2)
        one = model(
            [helper.make_node("Add", ["a", "b"], ["sum"])],
            [value("a", TensorProto.FLOAT, shape), value("b", TensorProto.FLOAT, shape)],
            [value("sum", TensorProto.FLOAT, shape)],
        )
        found = compare(first, add(tmp_path, 2, one, (Case((a, b), ()),)))
        assert (found.rows, found.changed) == (1, 1)
        assert [output["output"] for output in found.outputs] == ["sum"]

    def test_a_hook_that_needs_its_context_shows_tensors(self, tmp_path):
        steps = {"output_steps": (Step("hook"),), "input_steps": (Step("hook"),)}
        versions = [add(tmp_path, n, scaled(n, 1, 1), **steps) for n in (1, 2)]
        for version in versions:
            (version.folder / "hooks.py").write_text(
                "class Hooks:\n"
                "    media_types = ('text/plain',)\n"
                "    def __init__(self, folder, manifest): pass\n"
                "    def encode(self, value): ...\n"
                "    def decode(self, outputs, context): return context.text\n"
            )
        found = compare(*versions)
        assert found.changed == 2
        assert found.examples[0].a.startswith("y ")


class TestFigures:
    def test_what_the_passports_say(self, tmp_path):
        slower = json.loads(json.dumps(PASSPORT))
        slower["candidates"][1]["latency_ms"]["median"] = 4.0
        found = figures(
            add(tmp_path, 1, identity(), passport=PASSPORT), add(tmp_path, 2, identity(), passport=slower)
        )
        by_name = {figure.name: figure for figure in found}
        assert by_name["run, ms"] == Figure("speed", "run, ms", 2.0, 4.0)
        assert by_name["run, ms"].ratio == 2
        assert by_name["compressed, bytes"].a == 700
        assert by_name["top-1 agreement with the original"].b == 0.99
        assert "against right answers" not in by_name
        assert {figure.group for figure in found} == {"size", "speed", "accuracy"}
        graph = tmp_path / "demo_model" / "versions" / "1" / "model.ort"
        assert by_name["graph, bytes"].a == graph.stat().st_size

    def test_a_signature_is_shown_where_it_differs(self, tmp_path):
        first = add(tmp_path, 1, identity(), **LABELS)
        second = add(tmp_path, 2, identity(shape=("n", 4)))
        found = {f.name: (f.a, f.b) for f in figures(first, second) if f.group == "signature"}
        assert found == {
            "input x": ("FP32[?,3]", "FP32[?,4]"),
            "output y": ("FP32[?,3]", "FP32[?,4]"),
            "output steps": ("labels", "none"),
            "labels": ("cat, dog, eel", "none"),
        }

    def test_long_lists_of_labels_are_told_apart(self, tmp_path):
        names = tuple(f"class {number}" for number in range(100))
        first = add(tmp_path, 1, identity(), labels=names)
        second = add(tmp_path, 2, identity(), labels=(*names[:-1], "another"))
        [labels] = [figure for figure in figures(first, second) if figure.name == "labels"]
        assert labels.a != labels.b
        assert len(labels.a) < 100

    @pytest.mark.parametrize("passport", [{}, {"winner": {"name": "x"}, "candidates": []}, [], "no"])
    def test_a_passport_that_says_nothing(self, tmp_path, passport):
        version = add(tmp_path, 1, identity(), passport=passport)
        assert {figure.group for figure in figures(version, version)} == {"size"}


class TestCommand:
    @pytest.fixture
    def call(self, capsys, tmp_path):
        def call(*arguments):
            code = run(["diff", "demo_model", *map(str, arguments), "--models", str(tmp_path)])
            captured = capsys.readouterr()
            return code, captured.out, captured.err

        return call

    def test_a_table_for_people(self, call, tmp_path):
        add(tmp_path, 1, identity(), passport=PASSPORT, **LABELS)
        add(tmp_path, 2, scaled(1, 1.1, 1), passport=PASSPORT, **LABELS)
        code, out, _ = call(1, 2)
        text = " ".join(out.split())
        assert code == 0
        assert text.startswith("demo_model 1 -> 2")
        assert "1 of 3 answers changed" in text
        assert "speed run, ms 2 2 1" in text
        assert '"label":"cat"' in text

    def test_json_for_programs_and_an_exit_code_for_shells(self, call, tmp_path):
        add(tmp_path, 1, identity())
        add(tmp_path, 2, scaled(2, 2, 2))
        code, out, _ = call(1, 2, "--json")
        document = json.loads(out)
        assert (code, document["a"], document["b"], document["breaks"]) == (0, 1, 2, [])
        assert (document["answers"]["rows"], document["answers"]["changed"]) == (3, 3)
        assert call(1, 2, "--exit-code")[0] == 1
        assert call(1, 1, "--exit-code")[0] == 0

    def test_what_breaks_is_said(self, call, tmp_path):
        add(tmp_path, 1, identity())
        add(tmp_path, 2, identity(shape=("n", 4)))
        code, out, _ = call(1, 2, "--exit-code")
        assert code == 1
        assert "breaks callers: input 'x' was FP32[?,3] and is FP32[?,4]" in out
        assert "0 of 0 answers changed; inputs that only one of them takes: 1" in out

    def test_aliases_name_versions(self, call, tmp_path):
        for number in (1, 2, 3):
            add(tmp_path, number, identity())
        (tmp_path / "demo_model" / "aliases.toml").write_text(
            "live = 1\ncanary = { version = 3, weight = 0.1 }\n"
        )
        document = json.loads(call("live", "canary", "--json")[1])
        assert (document["a"], document["b"]) == (1, 3)

    @pytest.mark.parametrize("reference", ["canary", "newest", "1.0", "9"])
    def test_what_names_no_version_is_refused(self, call, tmp_path, reference):
        add(tmp_path, 1, identity())
        code, _, err = call(1, reference)
        assert code == 1
        assert "names no version of 'demo_model'" in err or "has no version 9" in err

    def test_a_version_that_is_not_built_here_is_compared_by_its_papers(self, call, tmp_path):
        add(tmp_path, 1, identity(), passport=PASSPORT)
        second = add(tmp_path, 2, identity(), passport=PASSPORT)
        (second.folder / "model.ort").unlink()
        code, out, err = call(1, 2, "--json")
        assert (code, json.loads(out)["answers"]) == (0, None)
        assert "answers are not compared: version 2 is not built here (model.ort missing)" in err


def test_a_golden_file_is_needed(tmp_path):
    version = add(tmp_path, 1, identity())
    (version.folder / "golden.json").unlink()
    assert run(["diff", "demo_model", "1", "1", "--models", str(tmp_path)]) == 1
