"""The handler under AWS's own runtime interface emulator answers as it does in this process."""

import json
from pathlib import Path

import pytest

from modelet import paths
from modelet.bench.emulator import emulate
from modelet.bench.requests import Subject
from modelet.golden import Golden
from modelet.repository import Repository, served_version

MODELS = Path(__file__).parents[2] / "model_artifacts"


@pytest.mark.parametrize("name", ["file_type", "digit_image"])
def test_answers_the_golden_outputs(name):
    version = served_version(Repository(MODELS).model(name))
    assert version is not None, f"`modelet build {name}` comes first"
    subject = Subject.of(version)
    golden = Golden.load(version.folder)
    expected = {tensor.name: tensor for tensor in golden.cases[-1].outputs}

    with emulate("handler.handler", paths.functions() / "predict", subject.environment()) as emulator:
        answers = [json.loads(emulator.invoke(json.dumps(subject.json_event()).encode())) for _ in range(2)]

    for answer in answers:
        assert answer["statusCode"] == 200
        body = json.loads(answer["body"])
        assert (body["model_name"], body["model_version"]) == (name, str(version.number))
        assert {output["name"] for output in body["outputs"]} == set(expected)
        for output in body["outputs"]:
            tensor = expected[output["name"]]
            assert (tuple(output["shape"]), output["datatype"]) == (tensor.shape, tensor.datatype.name)
            near = {"rel": golden.tolerance.rtol, "abs": golden.tolerance.atol}
            assert output["data"] == pytest.approx(list(tensor.values()), **near)


def test_a_clients_mistake_is_answered_and_the_function_lives_on():
    version = served_version(Repository(MODELS).model("digit_image"))
    assert version is not None
    subject = Subject.of(version)
    right = subject.json_event()
    wrong = {
        **right,
        "body": '{"inputs": [{"name": "nobody", "shape": [1], "datatype": "FP32", "data": [1]}]}',
    }

    with emulate("handler.handler", paths.functions() / "predict", subject.environment()) as emulator:
        statuses = [
            json.loads(emulator.invoke(json.dumps(event).encode()))["statusCode"]
            for event in (wrong, right, wrong)
        ]

    assert statuses == [400, 200, 400]
