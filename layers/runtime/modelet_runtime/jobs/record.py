"""What the table knows of a job, and its form there and for callers."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from modelet_runtime.jobs.context import EndpointCall

State = Literal["queued", "running", "waiting", "succeeded", "failed"]
ENDED = ("succeeded", "failed")
_ID = re.compile(r"[0-9a-f]{32}")

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ended.

    Attributes:
        status: Of the answer.
        headers: Of the answer.
        size_bytes: Of its body.
        key: Where in the bucket its body is; empty where the answer never came about.
        error: What went wrong, if something did.
    """

    status: int
    headers: Mapping[str, str]
    size_bytes: int = 0
    key: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        job: Its id, 32 hexadecimal digits.
        model: Who answers it.
        version: Which version of it.
        function: The ARN by which its function is called, with the alias or version the request came by.
        method: Of the request, as are the next three.
        path: Decoded, without a stage.
        headers: Those that matter for the answer.
        query: Decoded.
        request_key: Where in the bucket its body is.
        fingerprint: Of the whole request; another under the same idempotency key is refused.
        state: What becomes of it.
        created_at: When it was asked for, in epoch seconds.
        updated_at: When it last changed.
        due_at: Until then somebody takes care of it; afterwards it may be taken up again.
        expires_at: When it is forgotten.
        fence: Grows whenever a worker takes it up: what an earlier one writes does not count.
        attempts: How often it was taken up without an end.
        worker: Lambda's id of the event that is worked on; its retries have the same.
        rings: How often an endpoint said that it is done.
        calls: What was asked of an endpoint, by the number of the run.
        error: What the last attempt failed with.
        result: How it ended.
        is_told: Whether the webhook was called, or there is none.
    """

    job: str
    model: str
    version: int
    function: str
    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    request_key: str
    fingerprint: str
    created_at: int
    updated_at: int
    due_at: int
    expires_at: int
    state: State = "queued"
    fence: int = 0
    attempts: int = 0
    worker: str = ""
    rings: int = 0
    calls: Mapping[int, EndpointCall] = field(default_factory=dict)
    error: str = ""
    result: Result | None = None
    is_told: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing more to do but to tell."""
        return self.state in ENDED

    def document(self) -> dict[str, Any]:
        """The job as its caller sees it."""
        found: dict[str, Any] = {
            "id": self.job,
            "state": self.state,
            "model": self.model,
            "version": str(self.version),
            "attempts": self.attempts,
            "created_at": written(self.created_at),
            "updated_at": written(self.updated_at),
            "expires_at": written(self.expires_at),
        }
        error = self.result.error if self.result else self.error
        return found | {"error": error} if error else found


def is_id(text: str) -> bool:
    """Whether a text has the form of an id, of a job or of an upload."""
    return _ID.fullmatch(text) is not None


def written(epoch_s: float) -> str:
    """A time as RFC 3339 has it."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def to_item(job: Job) -> Item:
    """A new job as DynamoDB stores it."""
    texts = {
        **{name: getattr(job, name) for name in _TEXTS},
        **{name: json.dumps(dict(getattr(job, name))) for name in _MAPPINGS},
    }
    return {
        **{name: {"S": text} for name, text in texts.items()},
        **{name: {"N": str(getattr(job, name))} for name in _NUMBERS},
        "calls": {"M": {}},
        "is_told": {"BOOL": job.is_told},
    }


def from_item(item: Item) -> Job:
    """A job as it was stored."""
    values: dict[str, Any] = {name: item[name]["S"] for name in _TEXTS}
    values |= {name: json.loads(item[name]["S"]) for name in _MAPPINGS}
    values |= {name: int(item[name]["N"]) for name in _NUMBERS}
    calls = {int(run): EndpointCall(*json.loads(call["S"])) for run, call in item["calls"]["M"].items()}
    result = Result(**json.loads(item["result"]["S"])) if "result" in item else None
    return Job(**values, calls=calls, result=result, is_told=item["is_told"]["BOOL"])


_TEXTS = (
    *("job", "model", "function", "method", "path", "request_key", "fingerprint", "state", "worker"),
    "error",
)
_MAPPINGS = ("headers", "query")
_NUMBERS = (
    *("version", "created_at", "updated_at", "due_at", "expires_at", "fence", "attempts", "rings"),
)  # fmt: skip
