"""The table: who may work on what, and what counts. Every write is conditional.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from time import time
from typing import Any

from botocore.exceptions import ClientError as AwsError

from modelet_runtime.errors import ModeletError
from modelet_runtime.jobs.context import EndpointCall
from modelet_runtime.jobs.record import Item, Job, Result, from_item, to_item

# Lambda takes up an asynchronous event within seconds unless it is throttled.
TAKEN_UP_S = 60
# Lambda tries a failed event again after one minute and after two more.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRIED_S = 180
_REFUSED = "ConditionalCheckFailedException"
_OPEN = "#state <> :succeeded AND #state <> :failed"


class LeaseLost(ModeletError):
    """Another worker has the job now, or it has ended: whatever this one has made does not count."""

    code = "lease_lost"


class Store:
    """The jobs of a table.

    Args:
        client: botocore's client of DynamoDB.
        table: The table's name.
        now: The clock, in epoch seconds.
    """

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time) -> None:
        self._client = client
        self._table = table
        self._now = now

    def create(self, job: Job) -> Job:
        """Write a new job, or find the one that has its id.

        Returns:
            The job as the table has it, whoever wrote it.
        """
        try:
            self._client.put_item(
                TableName=self._table,
                Item=to_item(job),
                # DynamoDB removes what has expired when it has time for it.
                ConditionExpression="attribute_not_exists(job) OR expires_at < :now",
                ExpressionAttributeValues={":now": _number(self._now())},
            )
        except AwsError as error:
            if not _is_refused(error):
                raise
            return self.find(job.job) or job
        return job

    def find(self, job: str) -> Job | None:
        """A job as it is now; None if there is none, or it has expired."""
        found = self._client.get_item(TableName=self._table, Key={"job": {"S": job}}, ConsistentRead=True)
        item: Item | None = found.get("Item")
        if item is None:
            return None
        known = from_item(item)
        return None if known.expires_at < self._now() else known

    def claim(self, job: str, worker: str, lease_s: float) -> Job | None:
        """Take a job up.

        Args:
            job: Its id.
            worker: Lambda's id of the event. The same again means that the attempt before has failed, so
                that its lease need not be waited for.
            lease_s: How long nobody else may take it up.

        Returns:
            The job with a new fence; None if it has ended, is unknown, or somebody else has it.
        """
        now = self._now()
        return self._update(
            job,
            "#state = :running, worker = :worker, due_at = :due",
            "#state IN (:queued, :waiting) OR (#state = :running AND (due_at < :now OR worker = :worker))",
            {
                ":worker": {"S": worker},
                ":due": _number(now + lease_s),
                ":one": _number(1),
                **_states("queued", "running", "waiting"),
            },
            counts="fence :one, attempts :one",
        )

    def ring(self, job: str) -> None:
        """Have whoever works on a job, and would let it wait, look once more."""
        values = {":one": _number(1), **_states("succeeded", "failed")}
        self._update(job, "", _OPEN, values, counts="rings :one")

    def note(self, held: Job, run: int, call: EndpointCall) -> None:
        """Write down what was asked of an endpoint.

        Raises:
            LeaseLost: Another worker has the job now.
        """
        condition, values = _held(held)
        values[":call"] = {"S": json.dumps([call.output_uri, call.failure_uri])}
        names = {"#calls": "calls", "#run": str(run)}
        if self._update(held.job, "#calls.#run = :call", condition, values, names) is None:
            raise LeaseLost(f"job {held.job} went to another worker")

    def wait(self, held: Job) -> bool:
        """Let a job wait for an endpoint; False if that has rung meanwhile, or somebody else has the job."""
        condition, values = _held(held)
        values |= _states("waiting") | {":rings": _number(held.rings)}
        # What was asked for is progress: the next attempt is a first one.
        values |= {":due": _number(self._now() + TAKEN_UP_S), ":none": _number(0)}
        update = "#state = :waiting, due_at = :due, attempts = :none"
        return self._update(held.job, update, f"{condition} AND rings = :rings", values) is not None

    def release(self, held: Job, error: str) -> None:
        """Leave a job for the next attempt, which Lambda makes by itself."""
        condition, values = _held(held)
        values |= _states("queued") | {":error": {"S": error}, ":due": _number(self._now() + RETRIED_S)}
        update = "#state = :queued, due_at = :due, #error = :error"
        self._update(held.job, update, condition, values, {"#error": "error"})

    def finish(self, held: Job, result: Result, *, is_told: bool) -> Job | None:
        """Write how a job ended; None if somebody else has it, or did so already.

        Args:
            held: The job as it was claimed.
            result: Its answer.
            is_told: Whether nobody waits to be told.
        """
        condition, values = _held(held)
        values[":to"] = {"S": "succeeded" if result.status < 400 else "failed"}
        values |= {":result": {"S": json.dumps(asdict(result))}, ":told": {"BOOL": is_told}}
        update = "#state = :to, #result = :result, is_told = :told"
        return self._update(held.job, update, condition, values, {"#result": "result"})

    def tell(self, job: str) -> None:
        """Write that the webhook was called for a job's end."""
        values = {":true": {"BOOL": True}, **_states("succeeded", "failed")}
        self._update(job, "is_told = :true", "#state IN (:succeeded, :failed)", values)

    def reopen(self, overdue: Job) -> bool:
        """Let a job that nobody takes care of be taken up again; False if somebody else did so first."""
        to = "waiting" if overdue.state == "waiting" else "queued"
        values = {":to": {"S": to}, ":due": _number(self._now() + TAKEN_UP_S)}
        values |= _states("succeeded", "failed")
        condition = f"due_at < :now AND {_OPEN}"
        return self._update(overdue.job, "#state = :to, due_at = :due", condition, values) is not None

    def _update(
        self,
        job: str,
        sets: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        counts: str = "",
    ) -> Job | None:
        """Change a job of which a condition holds; None if it does not."""
        update = (
            "SET updated_at = :now" + (f", {sets}" if sets else "") + (f" ADD {counts}" if counts else "")
        )
        try:
            done = self._client.update_item(
                TableName=self._table,
                Key={"job": {"S": job}},
                UpdateExpression=update,
                ConditionExpression=f"attribute_exists(job) AND ({condition})",
                ExpressionAttributeNames={"#state": "state", **(names or {})},
                ExpressionAttributeValues={":now": _number(self._now()), **values},
                ReturnValues="ALL_NEW",
            )
        except AwsError as error:
            if _is_refused(error):
                return None
            raise
        return from_item(done["Attributes"])


def _held(held: Job) -> tuple[str, dict[str, Any]]:
    """The condition under which a worker may still write, and its values."""
    return f"fence = :fence AND {_OPEN}", {":fence": _number(held.fence), **_states("succeeded", "failed")}


def _states(*states: str) -> dict[str, Any]:
    return {f":{state}": {"S": state} for state in states}


def _number(value: float) -> dict[str, str]:
    return {"N": str(int(value))}


def _is_refused(error: AwsError) -> bool:
    return bool(error.response["Error"]["Code"] == _REFUSED)
