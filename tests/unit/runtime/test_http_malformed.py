"""Requests that are nearly right, thousands of them: a client's mistake is never a 5xx."""

import base64
import gzip
import json
import struct
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import graphs
from support.artifacts import write_version
from support.http import Client, echo, predictor
from support.manifests import specs

from modelet_runtime import startup
from modelet_runtime.http import lambda_event
from modelet_runtime.http.messages import Request
from modelet_runtime.settings import Settings
from modelet_runtime.tensor import DATATYPES, Tensor

SENDER = Client(predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)), echo, labels=("a", "b")))
TEXTS = Client(predictor(specs(x=("BYTES", -1)), specs(y=("BYTES", -1)), echo))


def mixed(inputs):
    """A model of several inputs and outputs, one of them strings."""
    a = inputs["a"]
    return [
        Tensor.from_values("n", DATATYPES["INT64"], a.shape, list(a.values())),
        Tensor("t_bytes", inputs["b"].datatype, inputs["b"].shape, inputs["b"].data),
    ]


MIXED = Client(
    predictor(specs(a=("INT64", -1), b=("BYTES", -1)), specs(n=("INT64", -1), t_bytes=("BYTES", -1)), mixed)
)

# Answers that a malformed request may get besides the client's errors: what is documented as such.
DOCUMENTED = {501, 503, 504}
MISTAKES = 250

HEADERS = (
    "content-type",
    "content-encoding",
    "accept",
    "accept-encoding",
    "x-request-id",
    "inference-header-content-length",
)
PATHS = (
    "/v2/models/demo_model/infer",
    "/v1/models/demo_model:predict",
    "/models/demo_model/predict",
    "/invocations",
    "/v2/repository/index",
    "/v2/repository/models/x/load",
    "/v2/models/demo_model",
)

X = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [[0.5, None]], "parameters": {"k": 1}}
S = {"name": "x", "shape": [2], "datatype": "BYTES", "data": ["a", "é"]}
OPEN_INFERENCE = {
    "id": "1",
    "inputs": [X],
    "outputs": [{"name": "y", "parameters": {"binary_data": False, "classification": 1}}],
    "parameters": {"timeout": 1000, "binary_data_output": True, "priority": 1, "sequence_id": 0},
}
BINARY = {
    "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}],
    "parameters": {"binary_data_output": True},
}
ROWS = {"signature_name": "serving_default", "instances": [[1, 2], [3.5, 4]]}
NAMED_ROWS = {"instances": [{"a": 1, "b": {"b64": "YQ=="}}, {"a": 2, "b": "text"}]}
COLUMNS = {"inputs": {"a": [1, 2], "b": ["x", {"b64": "/w=="}]}}
RECORDS = {"dataframe_split": {"columns": ["x"], "data": [[[1, 2]]]}}

SURPRISES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        [[], {}, [[]], [{}], "FP16", "BYTES", "x", "y", "NaN", [1, [2]], {"b64": "!"}, {"b64": 1}]
    ),
    st.recursive(st.integers(-1, 3), lambda inner: st.lists(inner, max_size=3), max_leaves=6),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*path, index))
    return found


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A document with one to three of its values replaced, removed, doubled or renamed."""
    document = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(document)))
        if not path:
            return deepcopy(draw(SURPRISES))
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        action = draw(st.sampled_from(["replace", "replace", "remove", "double", "rename"]))
        if action == "replace":
            parent[path[-1]] = deepcopy(draw(SURPRISES))
        elif action == "remove":
            del parent[path[-1]]
        elif action == "double" and isinstance(parent, list):
            parent.append(deepcopy(parent[path[-1]]))
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=3))] = parent.pop(path[-1])
    return document


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """Bytes of which some were cut, changed or put in."""
    start, end = sorted(draw(st.tuples(st.integers(0, len(body)), st.integers(0, len(body)))))
    return body[:start] + draw(st.binary(max_size=8)) + body[end:]


def encode(document: Any) -> bytes:
    return json.dumps(document).encode("utf-8", "surrogatepass")


def check(response: Any) -> None:
    assert response.status < 500 or response.status in DOCUMENTED, response.body
    if response.status != 200:
        assert isinstance(json.loads(response.body)["error"], str)


def mistakes(examples: int) -> Any:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(
    ("sender", "document"),
    [(SENDER, OPEN_INFERENCE), (TEXTS, {"inputs": [S]}), (MIXED, {"inputs": [X, S], "outputs": []})],
)
@mistakes(MISTAKES)
@given(data=st.data())
def test_open_inference(sender, document, data):
    check(sender.infer(encode(data.draw(mutated(document)))))


@mistakes(MISTAKES)
@given(document=mutated(BINARY), tail=damaged(bytes(8)), length=st.integers(-2, 2), by_type=st.booleans())
def test_open_inference_binary(document, tail, length, by_type):
    header = encode(document)
    size = str(len(header) + length)
    kind = "application/vnd.sagemaker-triton.binary+json;json-header-size=" + size
    headers = {"content-type": kind} if by_type else {"inference-header-content-length": size}
    check(SENDER.infer(header + tail, headers=headers))


@pytest.mark.parametrize("sender", [SENDER, TEXTS, MIXED])
@mistakes(50)
@given(body=st.binary(max_size=40))
def test_raw(sender, body):
    check(sender.infer(body, headers={"inference-header-content-length": "0"}))


@pytest.mark.parametrize(
    ("sender", "document"), [(SENDER, ROWS), (MIXED, NAMED_ROWS), (MIXED, COLUMNS), (TEXTS, ROWS)]
)
@mistakes(MISTAKES)
@given(data=st.data())
def test_tensorflow_serving(sender, document, data):
    check(sender.predict(encode(data.draw(mutated(document)))))


@mistakes(MISTAKES)
@given(
    document=st.one_of(*map(mutated, (OPEN_INFERENCE, ROWS, RECORDS, [1, 2], {"x": [1, 2]}))),
    kind=st.sampled_from(
        ["application/json", "text/csv", "application/x-npy", "image/png", "", ";", "a/b;c"]
    ),
    path=st.sampled_from(["/invocations", "/models/demo_model/predict"]),
    accept=st.sampled_from(["", "text/csv", "application/x-npy", "*/*;q=x", "image/*", ",;,"]),
)
def test_friendly_and_invocations(document, kind, path, accept):
    headers = {"content-type": kind, "accept": accept}
    check(SENDER.post(path, encode(document), headers=headers))


@mistakes(MISTAKES)
@given(
    body=st.sampled_from(
        [encode(OPEN_INFERENCE), encode(ROWS), gzip.compress(encode(ROWS)), b"1,2\n"]
    ).flatmap(damaged),
    headers=st.dictionaries(
        st.sampled_from(HEADERS),
        st.one_of(st.text(max_size=12), st.sampled_from(["gzip", "application/json", "0", "1", "text/csv"])),
    ),
    path=st.sampled_from(PATHS),
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "x"]),
)
def test_damaged_bytes_and_headers(body, headers, path, method):
    response = SENDER.send(method, path, body, headers=headers)
    assert response.status < 500 or response.status in DOCUMENTED


LOOKUP = {"inputs": [{"name": "index", "shape": [2], "datatype": "INT64", "data": [0, 3]}]}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A table of four rows in ONNX Runtime itself, which refuses an index outside of it."""
    folder = tmp_path_factory.mktemp("lookup")
    write_version(folder, graphs.table_lookup(), "demo_lookup")
    return startup.begin(Settings(folder, 1769, 1, True, "demo_lookup")).finish()


@mistakes(MISTAKES)
@given(document=mutated(LOOKUP), indexes=st.lists(st.integers(-(2**63), 2**63 - 1)), shape=st.integers(-1, 3))
def test_over_onnx_runtime(engine, document, indexes, shape):
    path = "/v2/models/demo_lookup/infer"
    check(engine(Request("POST", path, body=encode(document))))
    item = {**LOOKUP["inputs"][0], "shape": [shape], "data": indexes}
    check(engine(Request("POST", path, body=encode({"inputs": [item]}))))
    raw = struct.pack(f"<{len(indexes)}q", *indexes)
    check(engine(Request("POST", path, {"inference-header-content-length": "0"}, raw)))
    check(engine(Request("POST", "/v1/models/demo_lookup:predict", body=encode({"instances": indexes}))))


class Context:
    aws_request_id = "r"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:live"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


EVENT = {
    "version": "2.0",
    "rawPath": "/v2/models/demo_model/infer",
    "headers": {"content-type": "application/json"},
    "queryStringParameters": {"a": "b"},
    "cookies": ["a=b"],
    "requestContext": {"http": {"method": "POST"}, "requestId": "1", "stage": "$default"},
    "body": base64.b64encode(encode(OPEN_INFERENCE)).decode(),
    "isBase64Encoded": True,
}


@mistakes(MISTAKES)
@given(path=st.text(max_size=30), body=st.text(max_size=30), encoded=st.booleans())
def test_events(path, body, encoded):
    event = {**EVENT, "rawPath": path, "body": body, "isBase64Encoded": encoded}
    result = lambda_event.answer(SENDER.application, event, Context())
    assert result["statusCode"] < 500
    json.dumps(result)
