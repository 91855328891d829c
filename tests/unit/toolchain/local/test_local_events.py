"""Requests become the events that API Gateway's HTTP API makes of them; golden files hold some whole."""

import base64
import json
from pathlib import Path

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from hypothesis import given
from hypothesis import strategies as st

from modelet.local.events import HttpRequest, to_event

EVENTS = sorted((Path(__file__).parent / "events").glob("*.json"))


def request(
    *, method: str = "POST", target: str = "/", body: bytes = b"", **headers: str | bytes
) -> HttpRequest:
    """A request; underscores in the names of headers stand for hyphens."""
    pairs = [
        (name.replace("_", "-").encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in headers.items()
    ]
    return HttpRequest(method, target, "HTTP/1.1", pairs, body, "10.0.0.7")


def event_of(incoming: HttpRequest) -> dict:
    return json.loads(to_event(incoming, "JKJaXmPLvHcESHA=", 1584039838.39, "Root=1-trace"))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_golden_event(path: Path) -> None:
    golden = json.loads(path.read_text())
    given_request = golden["request"]
    incoming = HttpRequest(
        given_request["method"],
        given_request["target"],
        "HTTP/1.1",
        [(name.encode(), value.encode()) for name, value in given_request["headers"]],
        base64.b64decode(given_request["body_base64"]),
        "10.0.0.7",
    )
    assert event_of(incoming) == golden["event"]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_powertools_reads_the_event_as_an_http_api_event(path: Path) -> None:
    golden = json.loads(path.read_text())
    event = APIGatewayProxyEventV2(golden["event"])
    assert event.version == "2.0"
    assert event.http_method == golden["request"]["method"]
    assert event.path == event.raw_path == golden["event"]["rawPath"]
    assert event.request_context.http.source_ip == "10.0.0.7"
    assert event.request_context.stage == "$default"
    assert event.request_context.time_epoch == 1584039838390
    assert event.headers["HOST"] == dict(golden["request"]["headers"])["Host"]
    assert event.cookies == golden["event"].get("cookies", [])
    body = base64.b64decode(golden["request"]["body_base64"])
    if body:
        raw = base64.b64decode(event.body) if event.is_base64_encoded else event.body.encode()
        assert raw == body


@pytest.mark.parametrize(
    ("content_type", "is_binary"),
    [
        ("text/plain", False),
        ("text/csv; charset=latin-1", False),
        ("application/json", False),
        ("APPLICATION/JSON;charset=utf-8", False),
        ("application/xml", False),
        ("application/javascript", False),
        ("application/x-www-form-urlencoded", True),
        ("multipart/form-data; boundary=x", True),
        ("application/problem+json", True),
        ("application/vnd.sagemaker-triton.binary+json;json-header-size=9", True),
        ("image/png", True),
        ("", True),
    ],
)
def test_what_travels_as_base64(content_type: str, is_binary: bool) -> None:
    event = event_of(request(body=b"{}", content_type=content_type))
    assert event["isBase64Encoded"] is is_binary
    assert event["body"] == ("e30=" if is_binary else "{}")


def test_a_compressed_body_is_binary_whatever_its_type() -> None:
    event = event_of(request(body=b"\x1f\x8b\x08", content_type="application/json", content_encoding="gzip"))
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\x1f\x8b\x08"


def test_text_that_is_not_utf8_still_makes_a_valid_event() -> None:
    event = event_of(request(body=b'{"a": "\xff"}', content_type="application/json"))
    assert event["body"] == '{"a": "�"}'
    assert event["headers"]["content-length"] == "10"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/a%2Fb%20c", "/a/b c", ""),
        ("/a+b", "/a+b", ""),
        ("/%E4%BD%A0", "/你", ""),
        ("/%ff", "/�", ""),
        ("/cut%3Fhere?x=1", "/cut", "x=1"),
        ("/a#b", "/a#b", ""),
        ("/p?a=%20&b=?", "/p", "a=%20&b=?"),
        ("*", "*", ""),
    ],
)
def test_the_path_is_decoded_and_the_query_is_not(target: str, path: str, query: str) -> None:
    event = event_of(request(target=target))
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == path
    assert event["rawQueryString"] == query


def test_headers_outside_ascii_survive() -> None:
    event = event_of(request(x_name="Grüße".encode("latin-1")))
    assert event["headers"]["x-name"] == "Grüße"


@given(body=st.binary(max_size=300), content_type=st.sampled_from(["image/png", "application/octet-stream"]))
def test_binary_bodies_survive(body: bytes, content_type: str) -> None:
    event = event_of(request(body=body, content_type=content_type))
    assert base64.b64decode(event.get("body", "")) == body


@given(text=st.text(max_size=200))
def test_text_bodies_survive(text: str) -> None:
    body = text.encode("utf-8", "replace")
    event = event_of(request(body=body, content_type="text/plain"))
    assert event.get("body", "").encode() == body


@given(
    target=st.binary(max_size=60).map(lambda raw: "/" + raw.decode("latin-1")),
    headers=st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.binary(max_size=40)), max_size=6),
    body=st.binary(max_size=60),
)
def test_any_request_makes_a_json_event(target: str, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    event = event_of(HttpRequest("POST", target, "HTTP/1.1", headers, body, "::1"))
    assert APIGatewayProxyEventV2(event).raw_query_string == event["rawQueryString"]
