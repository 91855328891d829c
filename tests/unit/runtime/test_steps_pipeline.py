from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from support.manifests import manifest, specs

from modelet_runtime.errors import ArtifactError
from modelet_runtime.manifest import Step
from modelet_runtime.steps.base import Encoded
from modelet_runtime.steps.pipeline import build
from modelet_runtime.steps.registry import INPUT, OUTPUT, input_step, output_step, step_class
from modelet_runtime.tensor import DATATYPES, Tensor

SCORES = specs(label=("INT64", -1), scores=("FP32", -1, 3))


def labels(values: list[float], names: tuple[str, ...] = ("a", "b", "c"), **parameters: Any) -> Any:
    made = manifest(
        specs(x=("FP32", -1, 2)), SCORES, labels=names, output_steps=(Step("labels", parameters),)
    )
    outputs = {
        "label": Tensor.from_values("label", DATATYPES["INT64"], (), [0]),
        "scores": Tensor.from_values("scores", DATATYPES["FP32"], (3,), values),
    }
    return build(made, Path()).decode(outputs, None)


class TestDefaults:
    def test_a_bare_graph_takes_records_tables_and_arrays(self):
        pipeline = build(manifest(specs(x=("FP32", -1, 2)), SCORES), Path())
        assert pipeline.media_types == ("application/json", "text/csv", "application/x-npy")
        encoded = pipeline.encode([1, 2])
        assert isinstance(encoded, Encoded)
        assert encoded.tensors["x"].shape == (2,)

    @pytest.mark.parametrize("shape", [(), (-1,), (-1, 1)])
    def test_a_graph_of_one_string_takes_text_too(self, shape):
        pipeline = build(manifest(specs(x=("BYTES", *shape)), specs(y=("FP32", *shape))), Path())
        assert pipeline.media_types[:2] == ("text/plain", "application/octet-stream")

    def test_a_graph_of_several_strings_does_not(self):
        pipeline = build(manifest(specs(x=("BYTES", -1, 2)), SCORES), Path())
        assert "text/plain" not in pipeline.media_types


class TestLabels:
    def test_names_the_classes(self):
        answer = labels([0.25, 0.5, 0.25])
        assert answer == {"label": "b", "score": 0.5, "scores": {"a": 0.25, "b": 0.5, "c": 0.25}}
        assert list(answer["scores"]) == ["a", "b", "c"]

    def test_lists_the_best_first(self):
        answer = labels([0.25, 0.125, 0.625], top_k=2)
        assert list(answer["scores"].items()) == [("c", 0.625), ("a", 0.25)]

    def test_lists_no_more_than_there_are(self):
        assert len(labels([1, 0, 0], top_k=9)["scores"]) == 3

    def test_names_nothing_below_the_threshold(self):
        assert labels([0.25, 0.5, 0.25], threshold=0.5)["label"] == "b"
        answer = labels([0.25, 0.5, 0.25], threshold=0.75)
        assert (answer["label"], answer["score"]) == (None, 0.5)

    def test_the_first_of_equals_wins(self):
        assert labels([0.5, 0.5, 0])["label"] == "a"

    def test_a_score_that_is_no_number_never_wins(self):
        assert labels([float("nan"), 0.25, 0.5])["label"] == "c"
        answer = labels([float("nan")] * 3)
        assert answer["label"] is None

    @pytest.mark.parametrize(
        ("parameters", "names", "words"),
        [
            ({}, (), ["no labels"]),
            ({}, ("a", "b"), ["scores", "2 floating-point"]),
            ({"scores": "label"}, ("a", "b", "c"), ["'label' is not", "label, scores"]),
            ({"scores": "probabilities"}, ("a", "b", "c"), ["'probabilities' is not"]),
        ],
    )
    def test_refuses_a_model_it_does_not_fit(self, parameters, names, words):
        with pytest.raises(ArtifactError) as caught:
            labels([0, 0, 0], names, **parameters)
        assert "step 'labels'" in str(caught.value)
        assert all(word in str(caught.value) for word in words)

    def test_asks_for_a_name_where_two_outputs_fit(self):
        outputs = specs(first=("FP32", -1, 3), second=("FP32", -1, 3))
        step = Step("labels", {})
        made = manifest(specs(x=("FP32", -1)), outputs, labels=("a", "b", "c"), output_steps=(step,))
        with pytest.raises(ArtifactError, match="2 outputs are"):
            build(made, Path())


class TestParameters:
    @pytest.mark.parametrize(
        ("step", "text"),
        [
            (Step("sharpen"), "input.steps: unknown step 'sharpen': there are audio, hook, image"),
            (Step("hook", {"file": "x"}), "step 'hook': unknown parameter 'file': it takes none"),
            (
                Step("image", {"widht": 8}),
                "step 'image': unknown parameter 'widht': it takes max_pixels, crop, background",
            ),
            (Step("image", {"width": "8"}), "step 'image': width: expected an integer, got '8'"),
            (Step("image", {"width": True}), "step 'image': width: expected an integer, got True"),
            (Step("image", {"filter": "best"}), 'step \'image\': filter: expected "nearest" or "box"'),
            (Step("image", {"width": 0, "height": 1}), "step 'image': width: expected at least 1, got 0"),
            (Step("image", {"width": 8}), "step 'image': width and height: expected both or neither"),
            (Step("image", {"invert": "yes"}), "invert: expected true or false or \"auto\", got 'yes'"),
        ],
    )
    def test_names_step_and_parameter(self, step, text):
        with pytest.raises(ArtifactError) as caught:
            input_step(step)
        assert text in str(caught.value)

    @pytest.mark.parametrize(
        ("step", "text"),
        [
            (Step("label"), "output.steps: unknown step 'label': there are hook, labels"),
            (Step("labels", {"top_k": 1.5}), "step 'labels': top_k: expected an integer, got 1.5"),
            (Step("labels", {"top_k": 0}), "step 'labels': top_k: expected at least 1, got 0"),
            (Step("labels", {"scores": 3}), "step 'labels': scores: expected a string, got 3"),
        ],
    )
    def test_names_output_step_and_parameter(self, step, text):
        with pytest.raises(ArtifactError) as caught:
            output_step(step)
        assert text in str(caught.value)

    def test_an_integer_is_a_number(self):
        assert output_step(Step("labels", {"threshold": 1})) == output_step(
            Step("labels", {"threshold": 1.0})
        )

    def test_an_artifact_with_an_unknown_step_does_not_load(self):
        made = manifest(specs(x=("FP32", -1)), SCORES, output_steps=(Step("shout"),))
        with pytest.raises(ArtifactError, match="shout"):
            build(made, Path())

    @pytest.mark.parametrize(
        ("table", "name"), [*((INPUT, n) for n in INPUT), *((OUTPUT, n) for n in OUTPUT)]
    )
    def test_every_step_and_parameter_is_documented(self, table, name):
        kind = step_class(table, name, "docs")
        assert kind.__doc__
        for parameter in fields(kind):
            assert f"        {parameter.name}: " in kind.__doc__


def test_checking_parameters_needs_no_library():
    import subprocess
    import sys

    code = """
import sys
from modelet_runtime.manifest import Step
from modelet_runtime.steps.registry import INPUT, OUTPUT, input_step, output_step
for name in INPUT: input_step(Step(name))
for name in OUTPUT: output_step(Step(name))
print(sorted({"PIL", "numpy", "onnxruntime", "pydantic", "boto3"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
