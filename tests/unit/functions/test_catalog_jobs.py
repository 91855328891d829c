"""Jobs and uploads through the catalog's handler, as events of the HTTP API."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import boto3
import pytest
from moto import mock_aws
from support.http import body_of
from support.jobs import Desk, Invoked

EVENT = Path(__file__).parents[1] / "runtime" / "events" / "infer_json.json"
ASYNC = {"prefer": "respond-async"}


class Context:
    aws_request_id = "lambda-id"
    function_name = "catalog"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-2:123456789012:function:catalog"


def call(handler: ModuleType, method: str, path: str):
    event = json.loads(EVENT.read_text())
    http = {**event["requestContext"]["http"], "method": method, "path": path}
    event |= {"rawPath": path, "body": "", "requestContext": {**event["requestContext"], "http": http}}
    return handler.handler(event, Context())


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., ModuleType]]:
    def loaded(**environment: str) -> ModuleType:
        (tmp_path / "index.json").write_text('{"models": []}')
        for name, value in {"MODELET_INDEX": str(tmp_path / "index.json"), **environment}.items():
            monkeypatch.setenv(name, value)
        import catalog.handler

        return catalog.handler

    yield loaded
    for name in [name for name in sys.modules if name.partition(".")[0] == "catalog"]:
        del sys.modules[name]


@pytest.fixture
def handler(load: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="jobs-bucket")
        boto3.client("dynamodb").create_table(
            TableName="jobs",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "job", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "job", "KeyType": "HASH"}],
        )
        yield load(MODELET_JOBS_TABLE="jobs", MODELET_JOBS_BUCKET="jobs-bucket")


@pytest.fixture
def desk(handler: ModuleType) -> Desk:
    return Desk(boto3.client("dynamodb"), boto3.client("s3"), Invoked())


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_job_and_its_result(handler: ModuleType, desk: Desk, slash: str) -> None:
    location = desk.ask(headers=ASYNC).headers["location"]
    queued = call(handler, "GET", location + slash)
    assert (queued["statusCode"], queued["headers"]["retry-after"]) == (200, "1")
    assert json.loads(queued["body"])["job"]["state"] == "queued"
    desk.work(location.removeprefix("/jobs/"))
    ended = call(handler, "GET", location + slash)
    assert "retry-after" not in ended["headers"]
    assert ended["headers"]["cache-control"] == "no-store"
    job = json.loads(ended["body"])["job"]
    assert (job["state"], job["result"]["body"]) == ("succeeded", body_of(desk.ask()))


@pytest.mark.parametrize("name", ["f" * 32, "x", "%2e%2e", "F" * 32, "f" * 33, "a b"])
def test_an_unknown_one_is_a_404(handler: ModuleType, name: str) -> None:
    answer = call(handler, "GET", f"/jobs/{name}")
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "not_found")


def test_a_place_for_an_upload(handler: ModuleType) -> None:
    answer = call(handler, "POST", "/uploads")
    document = json.loads(answer["body"])
    assert answer["statusCode"] == 201
    assert document["fields"]["key"] == f"uploads/{document['upload']}"
    assert document["max_bytes"] == 100_000_000


def test_without_a_bucket_there_are_none(load: Callable[..., ModuleType]) -> None:
    handler = load()
    assert call(handler, "POST", "/uploads")["statusCode"] == 501
    assert call(handler, "GET", "/jobs/" + "f" * 32)["statusCode"] == 404
    assert "/uploads" not in json.loads(call(handler, "GET", "/openapi.json")["body"])["paths"]
