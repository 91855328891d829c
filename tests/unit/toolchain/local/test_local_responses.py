"""What functions return becomes the response the HTTP API makes of it, or its 500."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelet.local import responses
from modelet.local.errors import Crashed, MalformedResponse, RequestTooLarge, Throttled


def read(result: object) -> responses.HttpResponse:
    return responses.from_result(json.dumps(result).encode())


def test_a_whole_response() -> None:
    response = read(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "application/json", "X-Count": 3, "X-Flag": True},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": '{"ä": 1}',
            "isBase64Encoded": False,
        }
    )
    assert response.status == 201
    assert response.headers == (
        ("content-type", "application/json"),
        ("x-count", "3"),
        ("x-flag", "true"),
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2"),
    )
    assert response.body == '{"ä": 1}'.encode()


def test_binary_bodies_are_decoded() -> None:
    body = bytes(range(256))
    response = read({"statusCode": 200, "body": base64.b64encode(body).decode(), "isBase64Encoded": True})
    assert response.body == body


def test_only_a_status_is_an_empty_text() -> None:
    response = read({"statusCode": "204"})
    assert (response.status, response.body) == (204, b"")
    assert response.headers == (("content-type", "text/plain;charset=utf-8"),)


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ("Hello", b"Hello"),
        ({"message": "Hello"}, b'{"message": "Hello"}'),
        ([1, 2.5], b"[1, 2.5]"),
        (None, b"null"),
        (7, b"7"),
    ],
)
def test_without_a_status_the_result_is_the_body(result: object, body: bytes) -> None:
    response = read(result)
    assert (response.status, response.body) == (200, body)
    assert response.headers == (("content-type", "application/json"),)


def test_headers_of_the_connection_are_the_gateways() -> None:
    response = read(
        {
            "statusCode": 200,
            "headers": {
                "Content-Length": "99",
                "Transfer-Encoding": "chunked",
                "connection": "close",
                "content-type": "a/b",
            },
        }
    )
    assert response.headers == (("content-type", "a/b"),)


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "abc"},
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": 5},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": {"b": 1}}},
        {"statusCode": 200, "headers": {"a": None}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": "split\r\nset-cookie: stolen=1"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": [1]},
        {"statusCode": 200, "body": "@@@", "isBase64Encoded": True},
    ],
)
def test_malformed_responses_are_refused(result: object) -> None:
    with pytest.raises(MalformedResponse):
        read(result)


@pytest.mark.parametrize("result", [b"", b"{", b"NaN", b"\xff"])
def test_what_is_no_json_is_refused(result: bytes) -> None:
    with pytest.raises(MalformedResponse):
        responses.from_result(result)


@given(result=st.binary(max_size=80))
def test_any_bytes_are_a_response_or_malformed(result: bytes) -> None:
    try:
        response = responses.from_result(result)
    except MalformedResponse:
        return
    assert 200 <= response.status <= 599


@given(body=st.binary(max_size=200), status=st.integers(200, 599))
def test_any_body_survives(body: bytes, status: int) -> None:
    response = read({"statusCode": status, "body": base64.b64encode(body).decode(), "isBase64Encoded": True})
    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize(
    ("error", "status", "document"),
    [
        (Crashed("gone"), 502, {"message": "Bad Gateway", "error": "gone", "request_id": "id-1"}),
        (RequestTooLarge("big"), 413, {"message": "Request Entity Too Large", "error": "big"}),
        (Throttled("busy"), 429, {"message": "Too Many Requests", "error": "busy"}),
    ],
)
def test_the_services_own_answers(error: Exception, status: int, document: dict) -> None:
    response = responses.from_error(error, "id-1")
    assert response.status == status
    assert json.loads(response.body) == document
    assert ("retry-after" in dict(response.headers)) is (status == 429)
