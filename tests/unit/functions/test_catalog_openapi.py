"""The OpenAPI document: valid, complete, and of the bodies that the runtime really takes and gives."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.http import predictor
from support.manifests import manifest, specs

from modelet_runtime.http.application import Application, _table
from modelet_runtime.http.messages import Request
from modelet_runtime.manifest import Manifest, Step
from modelet_runtime.tensor import DATATYPES

ROW = specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2))
# Of the runtime's table, what is no route of the wire contract for a model at the front door.
NOT_OF_A_MODEL = re.compile(
    r"/v2|/v2/(health|models|repository|\(\?:system).*|/ping|/invocations|.*:\(\?:classify.*"
)


@pytest.fixture
def openapi(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "functions"))
    import catalog.index
    import catalog.openapi

    yield catalog.openapi
    for name in [name for name in sys.modules if name.partition(".")[0] == "catalog"]:
        del sys.modules[name]


def made(name: str, **changes: object) -> Manifest:
    return manifest(*ROW, name=name, **changes)


def described(openapi: ModuleType, *manifests: Manifest, **options: object):
    document = openapi.document(sys.modules["catalog.index"].Index(list(manifests)), **options)
    # Nothing that JSON has no form for, and no tuple.
    return json.loads(json.dumps(document))


def bodies_of(document, operation, status: str = ""):
    """The schema of an operation's JSON body, or of its answer, ready to validate with."""
    holder = operation["responses"][status] if status else operation["requestBody"]
    schema = holder["content"]["application/json"]["schema"]
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


MANIFESTS = [
    made("a_a"),
    made("a_a", version=2, input_steps=(Step("image"),)),
    made("b_b", input_steps=(Step("hook"),), output_steps=(Step("hook"),)),
    manifest(
        specs(**{name: (name, -1, 2) for name in DATATYPES}),
        specs(**{f"{name}_out": (name, -1) for name in DATATYPES}),
        name="every_datatype",
    ),
    manifest(specs(x=("INT64",)), specs(y=("BYTES", 3)), name="no_rows"),
]


@pytest.mark.parametrize("authorization", [(), ("iam",), ("jwt",), ("api-key",), ("iam", "api-key")])
def test_it_is_valid(openapi: ModuleType, authorization: tuple[str, ...]) -> None:
    document = described(openapi, *MANIFESTS, authorization=authorization, base_path="/prod")
    OpenAPIV31SpecValidator(document).validate()
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert document["servers"] == [{"url": "/prod"}]
    assert set(document["components"]["securitySchemes"]) == set(authorization)
    assert document["security"] == [{word: [] for word in authorization}]


def test_jobs_are_described_where_there_are_some(openapi: ModuleType) -> None:
    document = described(openapi, *MANIFESTS, has_jobs=True)
    OpenAPIV31SpecValidator(document).validate()
    inferences = [path for path in document["paths"] if path.endswith(("/infer", "predict"))]
    # Three of each of five versions, and of each of four models three and one with a label.
    assert len(inferences) == 5 * 3 + 4 * 4
    for path in inferences:
        assert "202" in document["paths"][path]["post"]["responses"]
        assert {"$ref": "#/components/parameters/Upload"} in document["paths"][path]["post"]["parameters"]
    assert {"/jobs/{job}", "/uploads"} <= document["paths"].keys()
    plain = described(openapi, *MANIFESTS)
    assert not {"/jobs/{job}", "/uploads"} & plain["paths"].keys()
    assert "202" not in json.dumps(plain)


def test_without_models_it_is_valid_too(openapi: ModuleType) -> None:
    OpenAPIV31SpecValidator(described(openapi)).validate()


def test_it_has_every_route_of_the_runtime_and_no_other(openapi: ModuleType) -> None:
    model = predictor(*ROW, name="demo_model", version=2)
    document = described(openapi, model.manifest)
    table = _table(model)._table
    wanted = {route.path for _, route in table if not NOT_OF_A_MODEL.fullmatch(route.path)}
    found = set()
    for path, item in document["paths"].items():
        for verb in item.keys() & {"get", "post"}:
            concrete = path.replace("{label}", "live")
            [route] = [r for p, r in table if p.fullmatch(concrete) and r.method == verb.upper()]
            found.add(route.path)
    assert wanted <= found
    of_model = {path for path in document["paths"] if "demo_model" in path}
    # Five of v2 and one friendly, each with and without a version; three of v1, besides with a label.
    assert len(of_model) == 6 * 2 + 3 * 3


def test_each_version_has_paths_of_its_own(openapi: ModuleType) -> None:
    document = described(openapi, made("a_a"), made("a_a", version=3, input_steps=(Step("image"),)))

    def takes(path: str) -> list[str]:
        return list(document["paths"][path]["post"]["requestBody"]["content"])

    assert takes("/models/a_a/predict") == takes("/models/a_a/versions/3/predict")
    assert "image/*" in takes("/models/a_a/predict")
    assert takes("/models/a_a/versions/1/predict") == ["application/json", "text/csv", "application/x-npy"]


def test_hooks_take_what_only_their_image_knows(openapi: ModuleType) -> None:
    assert openapi.media_types(made("b_b", input_steps=(Step("hook"),))) == ("*/*",)


def row(data: object, **changes: object) -> dict[str, object]:
    return {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": data, **changes}]}


@pytest.mark.parametrize(
    ("route", "body", "is_right"),
    [
        ("infer", row([1, 2]), True),
        ("infer", row([[1, None]]), True),
        ("infer", {**row([1, 2]), "id": "1", "outputs": [{"name": "y"}]}, True),
        ("infer", row([1, 2], name="z"), False),
        ("infer", row([1, 2], datatype="INT8"), False),
        ("infer", row([1, 2], shape=[1, 3]), False),
        ("infer", row(["a", 2]), False),
        ("infer", {**row([1, 2]), "outputs": [{"name": "z"}]}, False),
        ("infer", {}, False),
        ("predict", {"instances": [[1, 2], [3, 4]]}, True),
        ("predict", {"instances": [{"x": [1, 2]}]}, True),
        ("predict", {"inputs": [[1, 2]]}, True),
        ("predict", {"inputs": {"x": [[1, 2]]}}, True),
        ("predict", {"instances": [[1, 2, 3]]}, False),
        ("predict", {"instances": []}, False),
        ("predict", {"inputs": {"z": [[1, 2]]}}, False),
        ("predict", {}, False),
    ],
)
def test_schemas_take_what_the_runtime_takes(
    openapi: ModuleType, route: str, body: dict[str, object], is_right: bool
) -> None:
    model = predictor(*ROW, name="a_a")
    document = described(openapi, model.manifest)
    path = {"infer": "/v2/models/a_a/infer", "predict": "/v1/models/a_a:predict"}[route]
    operation = document["paths"][path]["post"]
    assert bodies_of(document, operation).is_valid(body) == is_right
    answer = Application(model)(Request("POST", path, body=json.dumps(body).encode()))
    assert answer.status == (200 if is_right else 400)
    validator = bodies_of(document, operation, "200") if is_right else None
    error = jsonschema.Draft202012Validator(document["components"]["schemas"]["Error"])
    (validator or error).validate(json.loads(answer.body))


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_whole_numbers_have_their_bounds(openapi: ModuleType, datatype: str) -> None:
    document = described(openapi, manifest(specs(x=(datatype, -1)), specs(y=(datatype, -1)), name="a_a"))
    tensor = document["components"]["schemas"]["a_a.1.infer"]["properties"]["inputs"]["items"]
    if not DATATYPES[datatype].has_json:
        assert "data" not in tensor["properties"]
    elif "INT" in datatype:
        element = tensor["properties"]["data"]["items"]
        bits = int(datatype.partition("INT")[2])
        low = 0 if datatype.startswith("U") else -(2 ** (bits - 1))
        assert (element["minimum"], element["maximum"]) == (low, low + 2**bits - 1)


def test_three_hundred_models_fit_into_an_answer(openapi: ModuleType) -> None:
    document = described(openapi, *(made(f"demo_m{number:03d}") for number in range(300)), has_jobs=True)
    # As a string in the JSON that Lambda carries, of 6 MiB; callers that take gzip get a hundredth.
    body = json.dumps(document, separators=(",", ":"))
    assert len(json.dumps(body)) < 5 * 1024 * 1024
