"""The catalog behind a REST API."""

import base64
import gzip
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.manifests import manifest, specs

EVENT = Path(__file__).parents[1] / "runtime" / "events" / "rest_infer_binary.json"


class Context:
    aws_request_id = "lambda-id"
    function_name = "catalog"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-2:123456789012:function:catalog"


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    index = tmp_path / "index.json"
    of_model = manifest(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1)), name="demo_model")
    index.write_text(json.dumps({"models": [of_model.to_dict()]}))
    monkeypatch.setenv("MODELET_INDEX", str(index))
    import catalog.handler

    yield catalog.handler
    for name in [name for name in sys.modules if name.partition(".")[0] == "catalog"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/v2/models", 200, {"models": ["demo_model"]}),
        ("GET", "/v2/models/", 200, {"models": ["demo_model"]}),
        ("POST", "/v2/repository/index", 200, None),
        ("GET", "/v2/models/other", 404, None),
    ],
)
def test_it_answers(
    handler: ModuleType, method: str, path: str, status: int, body: dict[str, object] | None
) -> None:
    event = {**json.loads(EVENT.read_text()), "httpMethod": method, "path": path, "body": None}
    event |= {"isBase64Encoded": False}
    result = handler.handler(event, Context())
    assert result["statusCode"] == status
    if body is not None:
        assert json.loads(result["body"]) == body


@pytest.mark.parametrize(("full_path", "base"), [("/prod/openapi.json", "/prod"), ("/openapi.json", "/")])
def test_the_document_says_where_its_paths_begin(handler: ModuleType, full_path: str, base: str) -> None:
    event = {**json.loads(EVENT.read_text()), "httpMethod": "GET", "path": "/openapi.json", "body": None}
    event |= {"isBase64Encoded": False, "requestContext": {**event["requestContext"], "path": full_path}}
    result = handler.handler(event, Context())
    document = json.loads(result["body"])
    assert (result["statusCode"], document["servers"]) == (200, [{"url": base}])
    assert "/v2/models/demo_model/infer" in document["paths"]
    event["multiValueHeaders"] = {"Accept-Encoding": ["gzip"]}
    result = handler.handler(event, Context())
    assert json.loads(gzip.decompress(base64.b64decode(result["body"]))) == document
