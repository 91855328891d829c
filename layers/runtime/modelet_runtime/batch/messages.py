"""What the queue and direct calls carry. Standard library only: the command line and the pump use it too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelet_runtime.batch.identity import ObjectRef
from modelet_runtime.errors import InvalidRequest

FORMAT = 1
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "start": ("bucket", "key"),
    "continue": ("run", "part"),
    "retry": ("run", "attempt"),
    "part": ("run", "part"),
    "join": ("run",),
    "fail": ("run", "error"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to do.

    Attributes:
        action: What.
        run: The run it is about; empty for `start`.
        part: The part of `continue` and `part`.
        ref: The object of `start`; size and version may be unknown.
        attempt: Which repetition, of `retry`.
        failed_only: Whether `retry` takes only the rows that failed.
        error: Why, of `fail`.
        options: Settings that come with a submission.
        announced: Whether S3 sent it, so that the ETag it names is the object's.
    """

    action: str
    run: str = ""
    part: int = 0
    ref: ObjectRef | None = None
    attempt: int = 0
    failed_only: bool = False
    error: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    announced: bool = False


def parse(document: Any) -> Message | None:
    """Read an SQS body or a direct call, as JSON.

    Returns:
        What to do; None where that is nothing: S3's test message.

    Raises:
        InvalidRequest: (400) It is neither ours nor S3's.
    """
    if not isinstance(document, dict):
        raise InvalidRequest("message", "an object", type(document).__name__)
    if "modelet_batch" in document:
        return _ours(document)
    if document.get("source") == "aws.s3" and document.get("detail-type") == "Object Created":
        return Message("start", ref=_announced(document.get("detail")), announced=True)
    if document.get("Event") == "s3:TestEvent":
        return None
    raise InvalidRequest("message", "S3's 'Object Created' or a modelet_batch message", f"{document!r:.120}")


def parse_text(body: str) -> Message | None:
    """Read an SQS body.

    Raises:
        InvalidRequest: (400) It is neither ours nor S3's.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise InvalidRequest("message", "JSON", str(error)) from error
    return parse(document)


def start(bucket: str, key: str, *, version_id: str = "", options: Mapping[str, Any] | None = None) -> str:
    """The message that submits an object which is already in the input bucket."""
    content: dict[str, Any] = {"action": "start", "bucket": bucket, "key": key}
    if version_id:
        content["version_id"] = version_id
    if options:
        content["options"] = dict(options)
    return _dump(content)


def go_on(run: str, part: int) -> str:
    """The message that takes a part up where it was left."""
    return _dump({"action": "continue", "run": run, "part": part})


def join(run: str) -> str:
    """The message that puts a run's results together."""
    return _dump({"action": "join", "run": run})


def retry(run: str, attempt: int, *, failed_only: bool) -> str:
    """The message that repeats a run, or only the rows that failed in it."""
    return _dump({"action": "retry", "run": run, "attempt": attempt, "failed_only": failed_only})


def _dump(content: Mapping[str, Any]) -> str:
    return json.dumps({"modelet_batch": FORMAT, **content}, ensure_ascii=False)


def _ours(document: Mapping[str, Any]) -> Message:
    action = document.get("action")
    if document["modelet_batch"] != FORMAT or not isinstance(action, str) or action not in _NEEDED:
        raise InvalidRequest(
            "message",
            f"format {FORMAT} and one of {', '.join(_NEEDED)}",
            f"{document['modelet_batch']!r}, {action!r}",
        )
    for name in _NEEDED[action]:
        expected = int if name in ("part", "attempt") else str
        if type(document.get(name)) is not expected:
            raise InvalidRequest(f"message: {name}", expected.__name__, f"{document.get(name)!r:.80}")
    ref = None
    if action == "start":
        etag = str(document.get("etag", "")).strip('"')
        ref = ObjectRef(document["bucket"], document["key"], str(document.get("version_id", "")), etag, -1)
    return Message(
        action,
        run=document.get("run", ""),
        part=document.get("part", 0),
        ref=ref,
        attempt=document.get("attempt", 0),
        failed_only=bool(document.get("failed_only", False)),
        error=document.get("error", ""),
        options=dict(document.get("options", {})),
    )


def _announced(detail: Any) -> ObjectRef:
    """The object of EventBridge's envelope, whose keys are not URL-encoded.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    try:
        stored = detail["object"]
        return ObjectRef(
            detail["bucket"]["name"],
            stored["key"],
            stored.get("version-id") or "",
            str(stored.get("etag", "")).strip('"'),
            int(stored.get("size", -1)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest("message: detail", "S3's bucket and object", f"{detail!r:.120}") from error
