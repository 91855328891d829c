"""The catalog behind a REST API."""

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
