"""API keys of a deployed stage: made, listed and revoked in the table that its authorizer reads.

A key is `mk_<id>_<secret>`. The table has the SHA-256 of the secret and never the secret, so a key is
shown once. `functions/authorizer` is the other side; a test has it judge what is made here.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from modelet.deploy.errors import KeyRefused, NotReady

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_SCOPE = re.compile(r"(read|predict|\*):([a-z][a-z0-9_]*|\*)")
_SECRET_BYTES = 32
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored.

    Attributes:
        key_id: Who it is for, and the part of the key that is no secret.
        scopes: `<action>:<model>`; `read`, `predict` (which covers reading) or `*`, of a model or `*`.
        requests_per_day: Its quota; None is none.
        expires_at_s: When it ends, in seconds since the epoch; None is never.
    """

    key_id: str
    scopes: tuple[str, ...]
    requests_per_day: int | None = None
    expires_at_s: int | None = None


class ApiKeys:
    """The keys of one stage.

    Args:
        client: A boto3 client of DynamoDB.
        table: The table's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    @classmethod
    def of_stage(cls, stage: str, session: Any = None) -> "ApiKeys":
        """Find the table by the outputs of the stage's stacks.

        Raises:
            NotReady: There are no credentials or no region, or the stage has no API keys.
        """
        session = session or boto3.Session()
        name = f"modelet-{stage}-shared"
        try:
            (stack,) = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
            outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
            client = session.client("dynamodb")
        except (BotoCoreError, ClientError) as error:
            raise NotReady(f"the stack {name} cannot be read: {error}", "deploy the stage first") from error
        if "KeysTable" not in outputs:
            remedy = "set authorization=ApiKeys() in infra/config.py, and deploy"
            raise NotReady(f"stage {stage} has no API keys", remedy)
        return cls(client, outputs["KeysTable"])

    def create(self, key: ApiKey) -> str:
        """Store a key, and give what its bearer sends in `x-api-key`: nobody can read it again.

        Raises:
            KeyRefused: Its id or a scope is malformed, or there is one with its id.
        """
        _check(key)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        item: dict[str, Mapping[str, object]] = {
            "key_id": {"S": key.key_id},
            "digest": {"S": hashlib.sha256(secret.encode()).hexdigest()},
            "scopes": {"SS": sorted(key.scopes)},
        }
        if key.requests_per_day is not None:
            item["requests_per_day"] = {"N": str(key.requests_per_day)}
        if key.expires_at_s is not None:
            item["expires_at"] = {"N": str(key.expires_at_s)}
        try:
            self._client.put_item(
                TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(key_id)"
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise KeyRefused(f"there is a key '{key.key_id}'", "revoke it, or choose another id") from None
        return f"mk_{key.key_id}_{secret}"

    def all(self) -> list[ApiKey]:
        """Every key, by id."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table, ProjectionExpression="key_id, scopes, requests_per_day, expires_at"
        )
        found = [_read(item) for page in pages for item in page["Items"]]
        return sorted(found, key=lambda key: key.key_id)

    def revoke(self, key_id: str) -> None:
        """Delete a key.

        Raises:
            KeyRefused: There is none with that id.
        """
        try:
            self._client.delete_item(
                TableName=self._table,
                Key={"key_id": {"S": key_id}},
                ConditionExpression="attribute_exists(key_id)",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise KeyRefused(f"there is no key '{key_id}'", "see `modelet key list`") from None


def expiry_s(days: int | None) -> int | None:
    """When a key of so many days ends; None is never."""
    return None if days is None else int(time.time()) + days * _DAY_S


def _check(key: ApiKey) -> None:
    if not _ID.fullmatch(key.key_id):
        raise KeyRefused(f"'{key.key_id}' is no id", "use small letters, digits and hyphens between them")
    wrong: Sequence[str] = [scope for scope in key.scopes if not _SCOPE.fullmatch(scope)]
    if wrong or not key.scopes:
        given = f"'{wrong[0]}' is no scope" if wrong else "a key without a scope opens nothing"
        raise KeyRefused(given, "write read:MODEL, predict:MODEL or *:MODEL, with * for all models")


def _read(item: Mapping[str, Mapping[str, Any]]) -> ApiKey:
    def number(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    scopes = tuple(sorted(item["scopes"]["SS"]))
    return ApiKey(item["key_id"]["S"], scopes, number("requests_per_day"), number("expires_at"))
