"""A REST API's events give the same requests, and so the same answers, as an HTTP API's."""

import json
from pathlib import Path

import pytest
from support.http import Client, predictor
from support.manifests import specs

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.http import lambda_event

EVENT = json.loads((Path(__file__).parent / "events" / "rest_infer_binary.json").read_text())


class Context:
    aws_request_id = "lambda-id"
    invoked_function_arn = "arn:aws:lambda:us-east-2:123456789012:function:demo:live"

    def get_remaining_time_in_millis(self):
        return 30_000


def test_the_request_is_read_without_the_stage():
    request = lambda_event.to_request(EVENT, Context())
    assert (request.method, request.path) == ("POST", "/v2/models/demo_model/infer")
    assert request.headers["content-type"] == "application/octet-stream"
    assert request.headers["x-twice"] == "one,two"
    assert request.query == {"a": "1,2"}
    assert request.request_id == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert request.alias == "live"
    assert bytes(request.body).endswith(b"}\x00\x00\x80?\x00\x00\x00@")


def test_it_is_answered():
    application = Client(predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)))).application
    result = lambda_event.answer(application, EVENT, Context())
    assert result["statusCode"] == 200
    assert json.loads(result["body"])["outputs"][0]["name"] == "y"


def test_a_request_without_headers_query_or_body():
    bare = {
        **EVENT,
        "httpMethod": "GET",
        "path": "/v2/models/demo_model",
        "body": None,
        "multiValueHeaders": None,
        "multiValueQueryStringParameters": None,
        "isBase64Encoded": False,
    }
    request = lambda_event.to_request(bare, Context())
    assert (request.method, request.headers, request.query, request.body) == ("GET", {}, {}, b"")


@pytest.mark.parametrize("missing", ["requestContext", "path"])
def test_what_is_no_event_is_refused(missing):
    with pytest.raises(InvalidRequest, match="payload format"):
        lambda_event.to_request({key: value for key, value in EVENT.items() if key != missing}, Context())
