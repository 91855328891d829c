"""The golden files of the models reach what sends them to a deployed version, over the real service."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from smoke.check import Checker
from smoke.golden import Golden as SmokeGolden
from support.built import built_here
from support.service import Running, running

from modelet.deploy.credentials import named
from modelet.deploy.proof import prove
from modelet.golden import FILE_NAME, Golden
from modelet.repository import ModelFolder, Repository, served_version

MODELS = Path(__file__).parents[2] / "model_artifacts"


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(MODELS) as running_service:
        yield running_service


@pytest.fixture(params=[path.parent.name for path in sorted(MODELS.glob("*/model.toml"))])
def model(request: pytest.FixtureRequest) -> ModelFolder:
    found = Repository(MODELS).model(request.param)
    if built_here(found) is None:
        pytest.skip(f"the framework of {found.name} is not installed: `make test-frameworks` asks it")
    return found


def test_modelet_deploy_finds_them_proven(service: Running, model: ModelFolder):
    version = served_version(model)
    assert version is not None
    golden = Golden.load(version.folder)
    proof = prove(service.url, model.name, golden, named({}))
    assert proof.cases == len(golden.cases)


def test_the_smoke_test_finds_them_proven(service: Running, model: ModelFolder):
    class Lambda:
        """Sends the event's request to the service, and its answer back as API Gateway would get it."""

        def invoke(self, FunctionName: str, Payload: bytes):
            event = json.loads(Payload)
            headers = {k: v for k, v in event["headers"].items() if k not in ("host", "content-length")}
            status, answered, body = service.call(
                "POST", event["rawPath"], base64.b64decode(event["body"]), headers
            )
            result = {
                "statusCode": status,
                "headers": answered,
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            }
            return {"Payload": io.BytesIO(json.dumps(result).encode())}

    version = served_version(model)
    assert version is not None
    golden = SmokeGolden.load(version.folder / FILE_NAME)
    assert Checker(Lambda(), "arn", model.name, golden).complaints() == []
