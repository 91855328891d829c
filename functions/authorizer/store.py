"""Keys and counts in DynamoDB."""

import time
from typing import Any

from authorizer.gate import Key

# Counts are read on their own day only; a day more covers clocks that differ.
_COUNT_LIFETIME_S = 2 * 24 * 3600


class KeyStore:
    """Two tables.

    Args:
        client: A boto3 client of DynamoDB.
        keys: The table of keys by `key_id`.
        usage: The table of counts by `key_id` and `day`.
    """

    def __init__(self, client: Any, keys: str, usage: str) -> None:
        self._client = client
        self._keys = keys
        self._usage = usage

    def find(self, key_id: str) -> Key | None:
        """A key by its id."""
        item = self._client.get_item(TableName=self._keys, Key={"key_id": {"S": key_id}}).get("Item")
        if item is None:
            return None
        return Key(
            key_id=key_id,
            digest=item["digest"]["S"],
            scopes=frozenset(item["scopes"]["SS"]),
            requests_per_day=_number(item, "requests_per_day"),
            expires_at_s=_number(item, "expires_at"),
        )

    def count(self, key_id: str, day: str, limit: int) -> bool:
        """Count one request of a day, unless that would be more than the limit: one write, no race."""
        try:
            self._client.update_item(
                TableName=self._usage,
                Key={"key_id": {"S": key_id}, "day": {"S": day}},
                UpdateExpression="ADD requests :one SET expires_at = if_not_exists(expires_at, :later)",
                ConditionExpression="attribute_not_exists(requests) OR requests < :limit",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":limit": {"N": str(limit)},
                    ":later": {"N": str(int(time.time()) + _COUNT_LIFETIME_S)},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _number(item: dict[str, Any], name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None
