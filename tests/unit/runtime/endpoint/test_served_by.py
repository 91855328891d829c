"""Who ran the graph is told in the answer's parameters, a header and the metrics."""

from pathlib import Path

import pytest
from support.http import Client, body_of
from support.manifests import Function, FunctionSession, manifest, specs

from modelet_runtime.endpoint import ShieldedSession
from modelet_runtime.endpoint.faults import EndpointUnavailable
from modelet_runtime.predictor import Predictor
from modelet_runtime.session import served_by
from modelet_runtime.steps.pipeline import build

ROW = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
MODEL = manifest(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)))


def client(endpoint: Function) -> Client:
    """A model behind an endpoint, with a twin that echoes."""
    twin = FunctionSession(MODEL.signature, lambda inputs: [inputs["x"].renamed("y")])
    session = ShieldedSession(FunctionSession(MODEL.signature, endpoint), lambda: twin)
    return Client(Predictor(MODEL, session, build(MODEL, Path())))


def test_an_answer_of_the_twin_says_so_and_the_next_one_of_the_endpoint_does_not():
    waking = [EndpointUnavailable("waking")]

    def endpoint(inputs):
        if waking:
            raise waking.pop()
        return [inputs["x"].renamed("y")]

    asked = client(endpoint)
    first, second = asked.infer(ROW), asked.infer(ROW)

    assert body_of(first)["parameters"] == {"served_by": "cpu"}
    assert first.headers["x-served-by"] == "cpu"
    assert body_of(second)["outputs"] == body_of(first)["outputs"]
    assert "parameters" not in body_of(second)
    assert "x-served-by" not in second.headers


@pytest.fixture(autouse=True)
def _nobody_before():
    served_by.set(None)
