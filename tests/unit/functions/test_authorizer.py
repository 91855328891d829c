"""The authorizer: closed unless a key opens just this route."""

import hashlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import boto3
import pytest
from authorizer.gate import Gate, Key, covers, digest_of
from authorizer.store import KeyStore
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

NOW_S = 1_800_000_000.0  # 2027-01-15
INFER = "POST /v2/models/file_type/{proxy+}"
SECRET = "s3cr_et"


class Store:
    """Keys in memory."""

    def __init__(self, *keys: Key) -> None:
        self._keys = {key.key_id: key for key in keys}
        self.counts: dict[tuple[str, str], int] = {}

    def find(self, key_id: str) -> Key | None:
        return self._keys.get(key_id)

    def count(self, key_id: str, day: str, limit: int) -> bool:
        number = self.counts.get((key_id, day), 0)
        if number >= limit:
            return False
        self.counts[key_id, day] = number + 1
        return True


def key(**changes: object) -> Key:
    return Key(
        **{
            "key_id": "acme",
            "digest": digest_of(SECRET),
            "scopes": frozenset({"predict:file_type"}),
            **changes,
        }
    )


def judge(text: str = f"mk_acme_{SECRET}", route: str = INFER, **changes: object):
    return Gate(Store(key(**changes)), lambda: NOW_S).judge(text, route)


class TestKeys:
    def test_a_known_key(self):
        verdict = judge()
        assert (verdict.is_allowed, verdict.key_id, verdict.reason) == (True, "acme", "ok")

    @pytest.mark.parametrize("text", ["", "mk", "mk_", "mk_acme", "mk_acme_", "__", "xx_acme_s3cr_et"])
    def test_what_is_no_key(self, text: str):
        assert judge(text).reason == "malformed"

    @pytest.mark.parametrize("text", ["mk_other_s3cr_et", "mk_acme_other", "mk_acme_s3cr_e"])
    def test_unknown_ones(self, text: str):
        verdict = judge(text)
        assert (verdict.is_allowed, verdict.reason) == (False, "unknown")

    @given(st.text(max_size=40))
    def test_nothing_else_opens(self, text: str):
        assert not judge(text).is_allowed

    def test_the_digest_is_sha_256(self):
        assert digest_of("abc") == hashlib.sha256(b"abc").hexdigest()

    def test_expiry(self):
        assert judge(expires_at_s=int(NOW_S) + 1).is_allowed
        assert judge(expires_at_s=int(NOW_S)).reason == "expired"


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "route", "allowed"),
        [
            ("predict:file_type", INFER, True),
            ("predict:file_type", "POST /v1/models/file_type:predict", True),
            ("predict:file_type", "POST /models/file_type/{proxy+}", True),
            ("predict:file_type", "POST /v2/models/file_type/versions/1/{proxy+}", True),
            ("predict:file_type", "GET /v2/models/file_type", True),
            ("predict:file_type", "PUT /v2/models/file_type/{proxy+}", True),
            ("read:file_type", "PUT /v2/models/file_type/{proxy+}", False),
            ("predict:file_type", "GET /jobs/{job}", True),
            ("predict:file_type", "POST /uploads", True),
            ("*:*", "GET /jobs/{job}", True),
            ("read:*", "GET /jobs/{job}", False),
            ("read:file_type", "POST /uploads", False),
            ("predict:file_type", "POST /v2/models/digit_image/{proxy+}", False),
            ("predict:file_type", "POST /v2/models/file_type_2/{proxy+}", False),
            ("predict:file_type", "$default", False),
            ("read:file_type", INFER, False),
            ("read:file_type", "GET /v1/models/file_type/{proxy+}", True),
            ("read:*", "GET /v2/models/digit_image", True),
            ("read:*", "$default", True),
            ("read:*", INFER, False),
            ("predict:*", INFER, True),
            ("*:file_type", INFER, True),
            ("*:*", "$default", True),
            ("file_type", INFER, False),
            ("predict", INFER, False),
            ("", INFER, False),
        ],
    )
    def test_table(self, scope: str, route: str, allowed: bool):
        assert covers(frozenset({scope}), route) is allowed
        assert judge(scopes=frozenset({scope}), route=route).is_allowed is allowed

    def test_none(self):
        assert judge(scopes=frozenset()).reason == "scope"


class TestQuotas:
    def test_requests_of_a_day(self):
        store = Store(key(requests_per_day=2))
        clock = [NOW_S]
        gate = Gate(store, lambda: clock[0])
        verdicts = [gate.judge(f"mk_acme_{SECRET}", INFER).reason for _ in range(3)]
        assert verdicts == ["ok", "ok", "quota"]
        clock[0] += 24 * 3600
        assert gate.judge(f"mk_acme_{SECRET}", INFER).reason == "ok"
        assert set(store.counts) == {("acme", "2027-01-15"), ("acme", "2027-01-16")}

    def test_a_refused_request_is_not_counted(self):
        store = Store(key(requests_per_day=1, scopes=frozenset()))
        Gate(store, lambda: NOW_S).judge(f"mk_acme_{SECRET}", INFER)
        assert store.counts == {}


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("MODELET_KEYS", "keys")
    monkeypatch.setenv("MODELET_USAGE", "usage")
    with mock_aws():
        client = boto3.client("dynamodb")
        for table, names in (("keys", ["key_id"]), ("usage", ["key_id", "day"])):
            client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
                KeySchema=[
                    {"AttributeName": name, "KeyType": kind}
                    for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
                ],
            )
        client.put_item(
            TableName="keys",
            Item={
                "key_id": {"S": "acme"},
                "digest": {"S": digest_of(SECRET)},
                "scopes": {"SS": ["predict:file_type", "read:*"]},
                "requests_per_day": {"N": "2"},
                "expires_at": {"N": "4102444800"},
            },
        )
        yield


class TestStore:
    def test_a_key(self, tables: None):
        store = KeyStore(boto3.client("dynamodb"), "keys", "usage")
        assert store.find("acme") == Key(
            "acme", digest_of(SECRET), frozenset({"predict:file_type", "read:*"}), 2, 4_102_444_800
        )
        assert store.find("other") is None

    def test_counts_stop_at_the_limit_and_are_forgotten(self, tables: None):
        client = boto3.client("dynamodb")
        store = KeyStore(client, "keys", "usage")
        assert [store.count("acme", "2027-01-15", 2) for _ in range(4)] == [True, True, False, False]
        (item,) = client.scan(TableName="usage")["Items"]
        assert item["requests"] == {"N": "2"}
        assert int(item["expires_at"]["N"]) > 1_700_000_000


class TestHandler:
    @pytest.fixture
    def handler(self, tables: None) -> Iterator[ModuleType]:
        yield importlib.import_module("authorizer.handler")
        del sys.modules["authorizer.handler"]

    def event(self, **headers: str):
        return {"version": "2.0", "type": "REQUEST", "routeKey": INFER, "headers": headers}

    def test_yes(self, handler: ModuleType):
        answer = handler.handler(self.event(**{"x-api-key": f"mk_acme_{SECRET}"}), None)
        assert answer == {"isAuthorized": True, "context": {"key_id": "acme", "reason": "ok"}}

    @pytest.mark.parametrize("headers", [{}, {"x-api-key": "mk_acme_wrong"}])
    def test_no(self, handler: ModuleType, headers: dict[str, str]):
        assert handler.handler(self.event(**headers), None)["isAuthorized"] is False

    def test_whatever_goes_wrong_the_answer_is_no(self, handler: ModuleType):
        assert handler.handler({}, None) == {
            "isAuthorized": False,
            "context": {"key_id": "", "reason": "error"},
        }

    def test_the_secret_is_not_logged(self, handler: ModuleType, caplog: pytest.LogCaptureFixture):
        handler.handler(self.event(**{"x-api-key": "mk_acme_guessed"}), None)
        assert "guessed" not in caplog.text
        assert caplog.records[0].__dict__["reason"] == "unknown"
