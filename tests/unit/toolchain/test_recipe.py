import re
import tomllib
from dataclasses import fields

import pytest

from modelet.errors import RecipeRefused
from modelet.recipe import FILE_NAME, Recipe, Resources
from modelet.recipe_template import render
from modelet_runtime import manifest

LEAST = {"model": {"name": "digit_image", "source": "model.onnx"}}


def document(**sections):
    return {**LEAST, **sections, "model": {**LEAST["model"], **sections.get("model", {})}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "model.toml: model: missing key"),
        ({"model": {"name": "digit_image"}}, "model.source: missing key"),
        (document(model={"sauce": 1}), "model.sauce: unknown key"),
        (document(modle={}), "modle: unknown key"),
        (document(golden={"sample": "x"}), "golden.sample: unknown key"),
        (document(resources={"memory_mb": 512}), "resources.memory_mb: unknown key"),
        (
            document(resources={"memory_mib": 64}),
            "resources.memory_mib: should be greater than or equal to 128",
        ),
        (
            document(resources={"memory_mib": "1 GB"}),
            "resources.memory_mib: should be a valid integer, got '1 GB'",
        ),
        (document(model={"target": "tpu"}), "model.target: should be 'cpu', 'gpu' or 'auto', got 'tpu'"),
        (document(model={"target": "auto"}), "model.toml: model.target: auto decides by deadline_ms and"),
        (
            document(model={"target": "auto"}, endpoint={"deadline_ms": 200}),
            r"deadline_ms and expected_rps: name both in \[endpoint\]",
        ),
        (
            document(
                model={"target": "auto"},
                endpoint={"deadline_ms": 200, "expected_rps": 5, "instance_type": "ml.p5.48xlarge"},
            ),
            "endpoint.instance_usd_hour: missing key, .* the price of ml.p5.48xlarge is not known",
        ),
        (document(endpoint={"deadline_ms": 0}), "endpoint.deadline_ms: should be greater than or equal to 1"),
        (document(endpoint={"expected_rps": 0}), "endpoint.expected_rps: should be greater than 0"),
        (
            document(endpoint={"instance_usd_hour": -1}),
            "endpoint.instance_usd_hour: should be greater than 0",
        ),
        (document(model={"labels": [1]}), "model.labels: expected a file's name or a list of names"),
        (document(input={"steps": [{"name": "image"}, {"width": 8}]}), r"input.steps\[1\].name: missing key"),
        (document(golden={"targets": "a.py:b"}), "golden: targets are the answers to samples"),
        (document(optimize={"precision": "int7"}), "optimize.precision: should be 'auto', 'fp32'"),
        (
            document(optimize={"prune": 0.99}),
            "optimize.prune: should be less than or equal to 0.95, got 0.99",
        ),
        (document(optimize={"calibration": "max"}), "optimize.calibration: should be 'auto', 'minmax'"),
        (document(optimize={"accuracy": {"limit": 1}}), "optimize.accuracy.metric: missing key"),
        (document(optimize={"accuracy": {"metric": "f1"}}), "optimize.accuracy.metric: should be 'top1_"),
        (document(optimize={"exclude": {"node": ["x"]}}), "optimize.exclude.node: unknown key"),
        (document(optimize={"precision": "int8-static"}), "model.toml: optimize: what that loses can only"),
        (document(optimize={"prune": 0.5}), r"name them with samples in \[golden\]"),
        (
            document(
                golden={"samples": "a.py:b"},
                optimize={"accuracy": {"metric": "accuracy_drop", "limit": 0.01}},
            ),
            "optimize.accuracy: accuracy_drop needs the right answers",
        ),
        (document(endpoint={"mode": "batch"}), "endpoint.mode: should be 'realtime' or 'async'"),
        (document(endpoint={"min_instances": 0}), "endpoint: mode realtime has at least 1 instance"),
        (document(endpoint={"timeout_s": 61}), "endpoint: mode realtime has .* at most 60 s"),
        (document(endpoint={"mode": "async", "group": "vision"}), "endpoint: mode async has no group"),
        (document(endpoint={"min_instances": 3}), "endpoint: min_instances is more than max_instances"),
        (document(endpoint={"preferred_batch_sizes": [65]}), "preferred_batch_sizes are from 1 to max"),
        (document(endpoint={"instance_type": "g5"}), "endpoint.instance_type: "),
        (
            document(resources={"provisioned_concurrency": 1}),
            "resources: provisioned_concurrency and snap_start exclude each other",
        ),
    ],
)
def test_a_wrong_recipe_is_refused_by_file_and_key(wrong, message):
    with pytest.raises(RecipeRefused, match=message):
        Recipe.from_dict(wrong)


@pytest.mark.parametrize(
    "name", ["Digit", "digit-image", "digit__image", "1digit", "digit_", "a" * 49, "../x", ""]
)
def test_a_name_that_cannot_be_a_route_is_refused(name):
    with pytest.raises(RecipeRefused, match=r"model\.name: "):
        Recipe.from_dict(document(model={"name": name}))


def test_the_name_is_the_folders(tmp_path):
    (tmp_path / FILE_NAME).write_text('[model]\nname = "other_name"\nsource = "model.onnx"\n')
    with pytest.raises(
        RecipeRefused, match=f"expected '{tmp_path.name}', the folder's name, got 'other_name'"
    ):
        Recipe.load(tmp_path)


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(RecipeRefused, match="is missing: make it with `modelet add`"):
        Recipe.load(tmp_path)
    (tmp_path / FILE_NAME).write_text("[model\n")
    with pytest.raises(RecipeRefused, match=r"model\.toml: "):
        Recipe.load(tmp_path)


def test_steps_keep_their_parameters():
    recipe = Recipe.from_dict(document(input={"steps": [{"name": "image", "width": 8, "fit": "crop"}]}))
    assert recipe.input.steps[0].to_manifest() == manifest.Step("image", {"width": 8, "fit": "crop"})


def test_the_canonical_form_knows_neither_comments_nor_order_nor_defaults():
    one = '[model]\nsource = "m.onnx" # here\nname = "a_b"\n[golden]\nrtol = 0.001\n'
    other = '[model]\nname = "a_b"\nsource = "m.onnx"\ntarget = "cpu"\n'
    changed = other.replace("cpu", "gpu")
    first, second, third = (
        Recipe.from_dict(tomllib.loads(text)).canonical() for text in (one, other, changed)
    )
    assert first == second != third


def test_resources_are_those_of_the_manifest():
    """Written twice, because what ships does not import pydantic: keys and defaults must agree."""
    assert set(Resources.model_fields) == {field.name for field in fields(manifest.Resources)}
    assert Resources().to_manifest() == manifest.Resources()


def test_the_template_is_a_recipe_that_explains_every_key():
    text = render({"name": "digit_image", "source": "train.py:build", "target": "gpu"})
    recipe = Recipe.from_dict(tomllib.loads(text))
    assert recipe == Recipe.from_dict(document(model={"source": "train.py:build", "target": "gpu"}))
    uncommented = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if " = " in line or "[" in line
    )
    for section, model in Recipe.model_fields.items():
        for key in model.annotation.model_fields:
            assert key == "steps" or f"\n{key} = " in f"\n{uncommented}", f"{section}.{key}"
    assert max(map(len, text.splitlines())) <= 110


def test_every_commented_key_of_the_template_may_be_uncommented():
    text = render({"name": "digit_image", "source": "model.onnx"})
    keys = [line for line in text.splitlines() if re.match(r"# \w+ = ", line)]
    assert len(keys) > 15
    with_samples = text.replace("# samples = ", "samples = ")
    for line in keys:
        if not line.startswith("# name = "):
            Recipe.from_dict(tomllib.loads(with_samples.replace(line, line.removeprefix("# "))))


def test_what_decides_about_an_endpoint_is_no_part_of_it():
    expected = {"deadline_ms": 200, "expected_rps": 0.5, "instance_usd_hour": 5.0}
    recipe = Recipe.from_dict(
        document(model={"target": "auto"}, endpoint={**expected, "instance_type": "ml.p5.48xlarge"})
    )

    assert recipe.endpoint.to_manifest() == manifest.Endpoint(instance_type="ml.p5.48xlarge")


def test_an_asynchronous_endpoint_may_be_at_zero():
    asynchronous = {"mode": "async", "min_instances": 0, "timeout_s": 3600, "preferred_batch_sizes": [8]}
    endpoint = Recipe.from_dict(document(model={"target": "gpu"}, endpoint=asynchronous)).endpoint

    assert endpoint.to_manifest() == manifest.Endpoint(
        mode="async", min_instances=0, timeout_s=3600, preferred_batch_sizes=(8,)
    )
