import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.http import Client, body_of, predictor
from support.manifests import specs

from modelet_runtime.http import lambda_event
from modelet_runtime.http.messages import Response

EVENTS = Path(__file__).parent / "events"
ARN = "arn:aws:lambda:us-east-2:123456789012:function:demo"


class Context:
    aws_request_id = "lambda-id"

    def __init__(self, qualifier="", remaining_ms=30_000):
        self.invoked_function_arn = ARN + qualifier
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self):
        return self._remaining_ms


def event(name, **changes):
    return {**json.loads((EVENTS / f"{name}.json").read_text()), **changes}


def answer(document, context=None):
    application = Client(
        predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2))), fits=lambda_event.fits
    ).application
    result = lambda_event.answer(application, document, context or Context())
    json.dumps(result)  # the runtime client has to be able to
    return result


class TestToRequest:
    def test_text(self):
        request = lambda_event.to_request(event("infer_json"), Context())
        assert (request.method, request.path) == ("POST", "/v2/models/demo_model/infer")
        assert request.headers["content-type"] == "application/json"
        assert json.loads(request.body)["inputs"][0]["name"] == "x"
        assert request.request_id == "JKJaXmPLvHcESHA="

    def test_binary(self):
        request = lambda_event.to_request(event("infer_binary"), Context())
        assert bytes(request.body).endswith(b"}\x00\x00\x80?\x00\x00\x00@")

    def test_no_body(self):
        assert lambda_event.to_request(event("multi_values"), Context()).body == b""

    def test_a_stage_is_not_part_of_the_path_and_the_path_is_decoded(self):
        request = lambda_event.to_request(event("metadata_in_a_stage"), Context())
        assert request.path == "/v2/models/demo_model/"

    @pytest.mark.parametrize(
        ("raw", "path"),
        [("/prod", "/"), ("/prod/", "/"), ("/production/v2", "/production/v2"), ("/v2", "/v2")],
    )
    def test_only_a_stage_is_taken_off(self, raw, path):
        document = event("metadata_in_a_stage", rawPath=raw)
        assert lambda_event.to_request(document, Context()).path == path

    def test_the_callers_request_id_is_kept(self):
        request = lambda_event.to_request(event("metadata_in_a_stage"), Context())
        assert request.request_id == "from-the-caller"

    @pytest.mark.parametrize("own", ["", "a\nb", "é", "x" * 129])
    def test_a_request_id_that_could_confuse_a_log_is_not(self, own):
        document = event("infer_json")
        document["headers"]["x-request-id"] = own
        assert lambda_event.to_request(document, Context()).request_id == "JKJaXmPLvHcESHA="

    def test_several_values_and_cookies(self):
        request = lambda_event.to_request(event("multi_values"), Context())
        assert request.headers["header1"] == "value1,value2"
        assert request.headers["cookie"] == "cookie1=a; cookie2=b"
        assert request.query == {"a": "1,2", "b": " "}

    @pytest.mark.parametrize(
        ("qualifier", "alias"), [("", None), (":live", "live"), (":7", None), (":$LATEST", None)]
    )
    def test_the_alias_is_the_qualifier_that_is_no_version(self, qualifier, alias):
        assert lambda_event.to_request(event("infer_json"), Context(qualifier)).alias == alias

    def test_some_of_the_remaining_time_is_kept_for_the_answer(self):
        request = lambda_event.to_request(event("infer_json"), Context(remaining_ms=10_000))
        assert request.remaining_s == pytest.approx(9.75)


class TestToResult:
    def test_text_is_text(self):
        response = Response(200, {"content-type": "application/json"}, '"é"'.encode())
        assert lambda_event.to_result(response) == {
            "statusCode": 200,
            "headers": {"content-type": "application/json"},
            "body": '"é"',
            "isBase64Encoded": False,
        }

    @pytest.mark.parametrize(
        "headers",
        [
            {"content-type": "application/octet-stream"},
            {"content-type": "application/vnd.sagemaker-triton.binary+json;json-header-size=3"},
            {"content-type": "application/json", "content-encoding": "gzip"},
            {},
        ],
    )
    def test_all_else_is_base64(self, headers):
        result = lambda_event.to_result(Response(200, headers, b"\xff\x00"))
        assert (result["body"], result["isBase64Encoded"]) == ("/wA=", True)

    @given(st.binary(), st.sampled_from(["GET", "POST"]))
    def test_a_body_survives_the_way_there_and_back(self, body, method):
        document = event("infer_json", body=base64.b64encode(body).decode(), isBase64Encoded=True)
        request = lambda_event.to_request(document, Context())
        response = Response(200, {"content-type": "application/octet-stream"}, bytes(request.body))
        assert base64.b64decode(lambda_event.to_result(response)["body"]) == body


class TestFits:
    @pytest.mark.parametrize(("size", "fits"), [(4_700_000, True), (4_800_000, False)])
    def test_base64_adds_a_third(self, size, fits):
        response = Response(200, {"content-type": "application/octet-stream"}, bytes(size))
        assert lambda_event.fits(response) is fits

    @pytest.mark.parametrize(
        ("text", "fits"),
        [
            ("a" * 6_000_000, True),
            ("a" * 6_300_000, False),
            ('"' * 3_200_000, False),
            ("\x01" * 1_100_000, False),
        ],
    )
    def test_text_counts_as_it_is_escaped(self, text, fits):
        response = Response(200, {"content-type": "application/json"}, text.encode())
        assert lambda_event.fits(response) is fits
        assert (len(json.dumps(lambda_event.to_result(response))) <= lambda_event.MAX_RESULT_BYTES) is fits


class TestAnswer:
    def test_json(self):
        result = answer(event("infer_json"))
        assert (result["statusCode"], result["isBase64Encoded"]) == (200, False)
        assert json.loads(result["body"])["outputs"][0]["data"] == [1.0, 2.0]
        assert result["headers"]["x-request-id"] == "JKJaXmPLvHcESHA="

    def test_binary(self):
        result = answer(event("infer_binary"))
        assert result["isBase64Encoded"] is True
        assert base64.b64decode(result["body"]).endswith(b"\x00\x00\x80?\x00\x00\x00@")

    def test_gzip(self):
        assert answer(event("infer_gzip"))["statusCode"] == 200

    def test_metadata(self):
        assert json.loads(answer(event("metadata_in_a_stage"))["body"])["name"] == "demo_model"

    def test_label(self):
        assert answer(event("label"), Context(":live"))["statusCode"] == 200
        assert answer(event("label"), Context(":canary"))["statusCode"] == 404

    def test_an_answer_over_lambdas_limit(self):
        item = {"name": "x", "shape": [400_000, 2], "datatype": "FP32", "data": [0.1] * 800_000}
        result = answer(event("infer_json", body=json.dumps({"inputs": [item]})))
        body = json.loads(result["body"])
        assert (result["statusCode"], body["code"]) == (413, "payload_too_large")
        assert "binary" in body["error"]

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"Records": []},
            {"version": "1.0", "path": "/v2", "httpMethod": "GET", "headers": None, "requestContext": {}},
            {"requestContext": None},
        ],
    )
    def test_an_event_of_another_kind(self, document):
        result = answer(document)
        assert result["statusCode"] == 400
        assert json.loads(result["body"])["request_id"] == "lambda-id"

    def test_a_body_that_is_not_base64(self):
        result = answer(event("infer_binary", body="!"))
        assert result["statusCode"] == 400

    def test_the_error_of_an_unknown_model_reaches_the_caller(self):
        result = answer(event("infer_json", rawPath="/v2/models/other/infer"))
        assert result["statusCode"] == 404
        response = Response(result["statusCode"], result["headers"], result["body"].encode())
        assert body_of(response)["request_id"] == "JKJaXmPLvHcESHA="
