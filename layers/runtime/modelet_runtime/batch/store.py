"""The table: who may work on what, and what counts. Every write is conditional.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import time
from typing import Any

from botocore.exceptions import ClientError as AwsError

from modelet_runtime.batch.records import (
    INDEX,
    RUN_ITEM,
    Item,
    Part,
    Run,
    part_from_item,
    part_item,
    part_to_item,
    run_from_item,
    run_to_item,
    to_attribute,
)
from modelet_runtime.errors import ModeletError

KEPT_DAYS = 90
_REFUSED = "ConditionalCheckFailedException"


class LeaseLost(ModeletError):
    """Another worker holds the part now: whatever this one has made does not count."""

    code = "lease_lost"


@dataclass(frozen=True, slots=True)
class Lease:
    """A part, taken by this worker until its lease ends."""

    part: Part


@dataclass(frozen=True, slots=True)
class Held:
    """A part that another worker has, for so many seconds."""

    wait_s: float


class Store:
    """The runs of a table.

    Args:
        client: botocore's or boto3's client of DynamoDB.
        table: The table's name.
        now: The clock, in epoch seconds.
    """

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time) -> None:
        self._client = client
        self._table = table
        self._now = now

    def create(self, run: Run, parts: Sequence[Part]) -> Run:
        """Begin a run with its parts, or find the one that was begun before.

        Returns:
            The run as the table has it, whoever began it.
        """
        expires_at = int(self._now()) + KEPT_DAYS * 86_400
        try:
            # Parts first: a run that is there has its parts.
            for part in parts:
                self._put_new(part_to_item(part, expires_at))
            self._put_new(run_to_item(run, expires_at))
        except _Exists:
            return self.run(run.run) or run
        return run

    def _put_new(self, item: Item) -> None:
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(#run)",
                ExpressionAttributeNames={"#run": "run"},
            )
        except AwsError as error:
            if not _is_refused(error):
                raise
            if item["item"]["S"] == RUN_ITEM:
                raise _Exists from error

    def run(self, run: str) -> Run | None:
        """One run, as it is now."""
        item = self._get(run, RUN_ITEM)
        return None if item is None else run_from_item(item)

    def part(self, run: str, number: int) -> Part | None:
        """One part, as it is now."""
        item = self._get(run, part_item(number))
        return None if item is None else part_from_item(item)

    def _get(self, run: str, item: str) -> Item | None:
        key = {"run": {"S": run}, "item": {"S": item}}
        found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item_or_none: Item | None = found.get("Item")
        return item_or_none

    def parts(self, run: str) -> Iterator[Part]:
        """All parts of a run, in order."""
        query = {
            "KeyConditionExpression": "#run = :run AND begins_with(#item, :part)",
            "ExpressionAttributeNames": {"#run": "run", "#item": "item"},
            "ExpressionAttributeValues": {":run": {"S": run}, ":part": {"S": "part#"}},
            "ConsistentRead": True,
        }
        yield from map(part_from_item, self._query(query))

    def runs(self, model: str) -> Iterator[Run]:
        """The runs of a model, latest first."""
        query = {
            "IndexName": INDEX,
            "KeyConditionExpression": "#model = :model",
            "ExpressionAttributeNames": {"#model": "model"},
            "ExpressionAttributeValues": {":model": {"S": model}},
            "ScanIndexForward": False,
        }
        yield from map(run_from_item, self._query(query))

    def _query(self, query: Mapping[str, Any]) -> Iterator[Item]:
        start: dict[str, Any] = {}
        while True:
            page = self._client.query(TableName=self._table, **query, **start)
            yield from page["Items"]
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def acquire(self, run: str, number: int, lease_s: float) -> Lease | Held | None:
        """Take a part up.

        Returns:
            The lease; for how long another worker holds it; None if the part is done or unknown.
        """
        now_ms = int(self._now() * 1000)
        try:
            part = self._update_part(
                run,
                number,
                "SET #state = :running, lease_until_ms = :until ADD fence :one, attempts :one",
                "attribute_exists(#run) AND #state <> :done AND lease_until_ms <= :now",
                {
                    ":running": {"S": "running"},
                    ":done": {"S": "done"},
                    ":until": {"N": str(now_ms + int(lease_s * 1000))},
                    ":now": {"N": str(now_ms)},
                    ":one": {"N": "1"},
                },
            )
        except _Refused:
            found = self.part(run, number)
            if found is None or found.state == "done":
                return None
            return Held(max(0.0, (found.lease_until_ms - now_ms) / 1000))
        return Lease(part)

    def beat(self, part: Part, lease_s: float) -> None:
        """Keep the lease and say how far the part is.

        Raises:
            LeaseLost: Another worker has the part.
        """
        until_ms = int((self._now() + lease_s) * 1000)
        names = ("rows", "failed_rows", "bytes_done", "bytes_total", "busy_ms", "infer_ms")
        self._write(replace(part, lease_until_ms=until_ms), ("lease_until_ms", *names))

    def checkpoint(self, part: Part) -> None:
        """Make what was done so far count.

        Raises:
            LeaseLost: Another worker has the part.
        """
        self._write(replace(part, attempts=0), (*_COUNTS, "attempts"))

    def complete(self, part: Part) -> Part:
        """Finish a part; its lease ends.

        Raises:
            LeaseLost: Another worker has the part.
        """
        done = replace(part, state="done", attempts=0, lease_until_ms=0)
        self._write(done, (*_COUNTS, "attempts", "state", "lease_until_ms"))
        return done

    def release(self, part: Part, error: str = "") -> None:
        """Give a part back before it is done; does nothing if another worker has it."""
        try:
            self._write(replace(part, lease_until_ms=0, last_error=error), ("lease_until_ms", "last_error"))
        except LeaseLost:
            return

    def _write(self, part: Part, names: Sequence[str]) -> None:
        sets = ", ".join(f"#{name} = :{name}" for name in names)
        values = {f":{name}": to_attribute(name, getattr(part, name)) for name in names}
        values[":held"] = {"N": str(part.fence)}
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"run": {"S": part.run}, "item": {"S": part_item(part.number)}},
                UpdateExpression=f"SET {sets}",
                ConditionExpression="fence = :held AND #held_state <> :finished",
                ExpressionAttributeNames={f"#{name}": name for name in names} | {"#held_state": "state"},
                ExpressionAttributeValues={**values, ":finished": {"S": "done"}},
            )
        except AwsError as error:
            if _is_refused(error):
                raise LeaseLost(f"part {part.number} of run {part.run} went to another worker") from error
            raise

    def _update_part(
        self, run: str, number: int, update: str, condition: str, values: Mapping[str, Any]
    ) -> Part:
        try:
            done = self._client.update_item(
                TableName=self._table,
                Key={"run": {"S": run}, "item": {"S": part_item(number)}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#run": "run", "#state": "state"},
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        except AwsError as error:
            if _is_refused(error):
                raise _Refused from error
            raise
        return part_from_item(done["Attributes"])

    def begin_joining(self, run: str) -> bool:
        """Pass the point after which a run is no longer cancelled; False if it must not be joined."""
        values = {":to": {"S": "joining"}, ":running": {"S": "running"}, ":true": {"BOOL": True}}
        condition = "(#state = :running AND #cancel <> :true) OR #state = :to"
        return self._set_state(run, "SET #state = :to", condition, values, {"#cancel": "cancel"})

    def finish(self, run: Run, state: str, values: Mapping[str, Any]) -> bool:
        """Write a run's final state; False if it has one already.

        Args:
            run: The run.
            state: `succeeded`, `failed` or `cancelled`.
            values: Further attributes of the run record.
        """
        changed = {"finished_at": self._now(), **values}
        sets = ", ".join(f"#{name} = :{name}" for name in changed)
        attributes = {f":{name}": to_attribute(name, value) for name, value in changed.items()}
        return self._set_state(
            run.run,
            f"SET #state = :to, {sets}",
            "#state IN (:running, :joining)",
            {":to": {"S": state}, ":running": {"S": "running"}, ":joining": {"S": "joining"}, **attributes},
            {f"#{name}": name for name in changed},
        )

    def cancel(self, run: str) -> bool:
        """Ask a run to stop; False if it is too late."""
        return self._set_state(
            run, "SET #cancel = :true", "#state = :running",
            {":true": {"BOOL": True}, ":running": {"S": "running"}}, {"#cancel": "cancel"},
        )  # fmt: skip

    def _set_state(
        self, run: str, update: str, condition: str, values: Mapping[str, Any], names: Mapping[str, str]
    ) -> bool:
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"run": {"S": run}, "item": {"S": RUN_ITEM}},
                UpdateExpression=f"{update}{',' if update.startswith('SET') else ' SET'} updated_at = :at",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#state": "state", **names},
                ExpressionAttributeValues={**values, ":at": to_attribute("updated_at", self._now())},
            )
        except AwsError as error:
            if _is_refused(error):
                return False
            raise
        return True


_COUNTS = (
    *("position", "columns", "segments", "error_segments", "rows", "failed_rows"),
    *("bytes_done", "bytes_total", "busy_ms", "infer_ms"),
)  # fmt: skip


class _Refused(Exception):
    pass


class _Exists(Exception):
    pass


def _is_refused(error: AwsError) -> bool:
    return bool(error.response["Error"]["Code"] == _REFUSED)
