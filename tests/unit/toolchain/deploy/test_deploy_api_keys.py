"""`modelet key`: what it stores is what the authorizer of a stage judges by."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from authorizer.gate import Gate
from authorizer.store import KeyStore
from moto import mock_aws

from modelet.cli import run
from modelet.deploy.api_keys import ApiKey, ApiKeys, expiry_s
from modelet.deploy.errors import KeyRefused, NotReady

INFER = "POST /v2/models/file_type/{proxy+}"
STACK = {
    "Resources": {
        "Keys": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "AttributeDefinitions": [{"AttributeName": "key_id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "key_id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        }
    },
    "Outputs": {"KeysTable": {"Value": {"Ref": "Keys"}}},
}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """An account where the shared stack of the stage `prod` has keys, and that of `dev` has none."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        made = boto3.Session()
        client = made.client("cloudformation")
        client.create_stack(StackName="modelet-prod-shared", TemplateBody=json.dumps(STACK))
        without = {**STACK, "Outputs": {}}
        client.create_stack(StackName="modelet-dev-shared", TemplateBody=json.dumps(without))
        yield made


@pytest.fixture
def keys(session: boto3.Session) -> ApiKeys:
    return ApiKeys.of_stage("prod")


def judge(session: Any, text: str, route: str = INFER):
    (table,) = [t for t in session.client("dynamodb").list_tables()["TableNames"] if "prod" in t]
    return Gate(KeyStore(session.client("dynamodb"), table, "usage")).judge(text, route)


def test_a_key_opens_what_it_was_made_for_until_it_is_revoked(session, keys: ApiKeys) -> None:
    text = keys.create(ApiKey("acme-1", ("predict:file_type",)))
    verdict = judge(session, text)
    assert (verdict.is_allowed, verdict.key_id) == (True, "acme-1")
    assert judge(session, text, INFER.replace("file_type", "other")).reason == "scope"
    assert judge(session, text[:-1] + ("a" if text[-1] != "a" else "b")).reason == "unknown"
    keys.revoke("acme-1")
    assert judge(session, text).reason == "unknown"


def test_a_key_ends(session, keys: ApiKeys) -> None:
    text = keys.create(ApiKey("old", ("*:*",), expires_at_s=1))
    assert judge(session, text).reason == "expired"
    later = expiry_s(90)
    assert later is not None
    assert judge(session, keys.create(ApiKey("new", ("*:*",), expires_at_s=later))).is_allowed
    assert expiry_s(None) is None


def test_what_is_listed_is_no_secret(session, keys: ApiKeys) -> None:
    made = [ApiKey("b", ("predict:file_type", "read:*"), 1000, 2_000_000_000), ApiKey("a", ("*:*",))]
    secrets = [keys.create(key).rpartition("_")[2] for key in made]
    assert keys.all() == sorted(made, key=lambda key: key.key_id)
    (table,) = [t for t in session.client("dynamodb").list_tables()["TableNames"] if "prod" in t]
    stored = json.dumps(session.client("dynamodb").scan(TableName=table)["Items"])
    assert not any(secret in stored for secret in secrets)
    assert len(set(secrets)) == 2


@pytest.mark.parametrize("key_id", ["", "a_b", "A", "-a", "a-", "a b", "a" * 65])
def test_ids_that_a_key_could_not_carry(keys: ApiKeys, key_id: str) -> None:
    with pytest.raises(KeyRefused, match="is no id"):
        keys.create(ApiKey(key_id, ("*:*",)))


@pytest.mark.parametrize(
    "scopes", [(), ("predict",), ("write:a",), ("predict:",), ("predict:A",), ("*:*", "")]
)
def test_scopes_that_would_open_nothing(keys: ApiKeys, scopes: tuple[str, ...]) -> None:
    with pytest.raises(KeyRefused, match="scope"):
        keys.create(ApiKey("acme", scopes))


def test_an_id_is_taken_once(keys: ApiKeys) -> None:
    keys.create(ApiKey("acme", ("*:*",)))
    with pytest.raises(KeyRefused, match="there is a key 'acme'"):
        keys.create(ApiKey("acme", ("*:*",)))
    with pytest.raises(KeyRefused, match="there is no key 'other'"):
        keys.revoke("other")


def test_stages_without_keys_say_what_to_do(session) -> None:
    with pytest.raises(NotReady, match=r"stage dev has no API keys: set authorization=ApiKeys\(\)"):
        ApiKeys.of_stage("dev")
    with pytest.raises(NotReady, match="deploy the stage first"):
        ApiKeys.of_stage("none")


def test_the_commands(session, capsys: pytest.CaptureFixture[str]) -> None:
    made = ["key", "create", "acme", "--scope", "predict:file_type", "--per-day", "10", "--days", "1"]
    assert run(made) == 0
    text = capsys.readouterr().out.strip()
    assert text.startswith("mk_acme_")
    assert run(["key", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["key_id"], listed["requests_per_day"]) == ("acme", 10)
    assert run(["key", "list"]) == 0
    assert "acme  predict:file_type  10 a day  until 2" in capsys.readouterr().out
    assert run(["key", "revoke", "acme"]) == 0
    assert run(["key", "revoke", "acme"]) == 1
    assert "there is no key 'acme'" in capsys.readouterr().err
