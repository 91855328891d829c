"""The service on this machine and the cloud choose alike; where they do not, the answer is the same."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.http import predictor
from support.manifests import specs

from infra.routes import model_routes
from modelet.local.router import CATALOG, Router, Serving
from modelet_runtime.errors import ModeletError
from modelet_runtime.http.application import Application
from modelet_runtime.http.messages import Request

MODEL = "file_type"
KEYS = [route.key for route in model_routes(MODEL)]
ROUTER = Router({MODEL: Serving(versions=(2,), live=2)})
FUNCTION = Application(predictor(specs(x=("FP32", -1, 1)), specs(y=("FP32", -1, 1)), name=MODEL, version=2))

METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"])
PATHS = st.builds(
    "{}/{}{}{}{}".format,
    st.sampled_from(["/v2/models", "/v1/models", "/models"]),
    st.sampled_from([MODEL, "other", "file_type_2"]),
    st.sampled_from(["", "/versions/2", "/versions/7", "/labels/live", "/labels/other"]),
    st.sampled_from(["", "/infer", "/predict", "/ready", "/stats", "/metadata", "/nothing"]),
    st.sampled_from(["", "/", ":predict", ":classify", ":regress", ":other"]),
)


@pytest.fixture(scope="module")
def missing():
    """What the catalog says of a path."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
    from catalog.index import Index

    index = Index(
        [predictor(specs(x=("FP32", -1, 1)), specs(y=("FP32", -1, 1)), name=MODEL, version=2).manifest]
    )
    yield index.missing
    sys.path.pop(0)
    for name in [name for name in sys.modules if name.partition(".")[0] == "catalog"]:
        del sys.modules[name]


def in_the_cloud(method: str, path: str) -> str:
    """What API Gateway's routes reach: a full match first, else the longest greedy one."""
    exact = f"{method} {path}"
    greedy = [key for key in KEYS if key.endswith("{proxy+}") and exact.startswith(key[: -len("{proxy+}")])]
    return MODEL if exact in KEYS or greedy else CATALOG


@given(METHODS, PATHS)
def test_they_choose_or_answer_alike(missing, method: str, path: str):
    here, there = ROUTER.route(method, path, {}).model, in_the_cloud(method, path)
    if here == there:
        return
    of_the_model = FUNCTION(Request(method, path, body=b"{}")).status
    error: ModeletError = missing(method, path)
    assert error.status == of_the_model, (here, there)
