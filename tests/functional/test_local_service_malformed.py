"""Two thousand requests that nobody should send: every one is answered, and none of them is our fault."""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from support.artifacts import write_version
from support.graphs import add_and_scale, identity, softmax, table_lookup
from support.service import Running, running

from modelet_runtime.manifest import Step

GRAPHS = {
    "demo_sum": add_and_scale(),
    "demo_text": identity(TensorProto.STRING, ("n", 2)),
    "demo_lookup": table_lookup(),
    "demo_wide": identity(TensorProto.INT64, ("n",)),
}
NAMES = st.sampled_from([*GRAPHS, "demo_label", "none", "", "a b", "..", "%", "catalog"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.just("x" * 5000)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.sampled_from(["a", "b", "x", "index", "logits"]), JSON),
        "datatype": st.one_of(st.sampled_from(["FP32", "INT64", "BYTES", "FP16", "BOOL", "fp32", ""]), JSON),
        "shape": st.one_of(st.lists(st.integers(-2, 2**70), max_size=4), st.just([1, 2]), JSON),
        "data": JSON,
        "parameters": st.one_of(
            st.fixed_dictionaries({}, optional={"binary_data_size": st.one_of(st.integers(), JSON)}), JSON
        ),
    },
)
DOCUMENT = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"inputs": st.one_of(st.lists(TENSOR, max_size=3), JSON)},
        optional={
            "id": JSON,
            "outputs": st.one_of(st.lists(TENSOR, max_size=2), JSON),
            "parameters": st.fixed_dictionaries({}, optional={"binary_data_output": JSON, "timeout": JSON}),
        },
    ),
    st.fixed_dictionaries({"instances": JSON}, optional={"signature_name": JSON, "inputs": JSON}),
    st.fixed_dictionaries({"dataframe_split": JSON}),
    st.fixed_dictionaries({"dataframe_records": JSON}),
)
BODIES = st.one_of(
    DOCUMENT.map(lambda document: json.dumps(document).encode()),
    st.binary(max_size=60),
    st.just(b"[" * 20_000),
    st.just(b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1"),
    st.just(b"\x1f\x8b\x08\x00"),
    st.tuples(DOCUMENT, st.binary(max_size=20)).map(lambda pair: json.dumps(pair[0]).encode() + pair[1]),
)
PATHS = st.one_of(
    st.builds(
        lambda form, name, version: form.format(name=quote(name), version=quote(version)),
        st.sampled_from(
            [
                "/v2/models/{name}/infer",
                "/v2/models/{name}",
                "/v2/models/{name}/versions/{version}/infer",
                "/v1/models/{name}:predict",
                "/v1/models/{name}/labels/{version}:predict",
                "/v1/models/{name}/versions/{version}/labels/{version}:predict",
                "/v1/models/{name}/metadata",
                "/models/{name}/predict",
                "/models/{name}/versions/{version}/predict",
                "/v2/models/{name}/{version}",
                "/v2/repository/index",
                "/invocations",
                "/ping",
                "/v2/{name}",
            ]
        ),
        NAMES,
        st.one_of(st.sampled_from(["1", "2", "live", "-1", "1" * 400]), st.text(max_size=4)),
    ),
    st.text(max_size=12).map(lambda text: "/" + quote(text, safe="/?&=%")),
)
HEADER_VALUES = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.one_of(
            st.sampled_from(
                [
                    "application/json",
                    "text/plain",
                    "text/plain; charset=idna",
                    "text/csv",
                    "application/x-npy",
                    "application/octet-stream",
                    "image/png",
                    "application/vnd.sagemaker-triton.binary+json;json-header-size=9",
                    ";;=",
                ]
            ),
            HEADER_VALUES,
        ),
        "inference-header-content-length": st.one_of(
            st.sampled_from(["0", "-1", "5", "99999999999999999999", "1e3", "٣"]), HEADER_VALUES
        ),
        "content-encoding": st.one_of(
            st.sampled_from(["gzip", "deflate", "br", "gzip, gzip"]), HEADER_VALUES
        ),
        "accept": HEADER_VALUES,
        "accept-encoding": HEADER_VALUES,
        "cookie": HEADER_VALUES,
        "x-request-id": HEADER_VALUES,
        "x-amzn-sagemaker-target-model": NAMES,
        "x-forwarded-for": HEADER_VALUES,
    },
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("models")
    for name, proto in GRAPHS.items():
        write_version(root / name / "versions" / "1", proto, name)
    write_version(
        root / "demo_label" / "versions" / "1",
        softmax(2),
        "demo_label",
        labels=("cat", "dog"),
        output_steps=(Step("labels"),),
    )
    with running(root) as up:
        yield up


@pytest.fixture(scope="module")
def connection(service: Running) -> Iterator[http.client.HTTPConnection]:
    made = service.connect()
    yield made
    made.close()


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "POST", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"]),
    path=PATHS,
    headers=HEADERS,
    body=BODIES,
)
def test_no_request_is_answered_with_a_server_error(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    encoded = {name: value.encode("utf-8" if "٣" in value else "latin-1") for name, value in headers.items()}
    connection.request(method, path, body, encoded)
    response = connection.getresponse()
    answer = response.read()
    assert response.status < 500, answer
    if response.status >= 400 and method != "HEAD":
        assert isinstance(json.loads(answer)["error"], str)


def test_the_functions_are_unharmed(service: Running) -> None:
    text = service.call("GET", "/metrics")[2].decode()
    assert "modelet_function_failures_total{" not in text
    body = json.dumps({"a": [1, 2], "b": [3, 4]}).encode()
    status, _, answer = service.call(
        "POST", "/models/demo_sum/predict", body, {"content-type": "application/json"}
    )
    assert (status, json.loads(answer)) == (200, {"sum": [4.0, 6.0], "double": [2.0, 4.0]})
