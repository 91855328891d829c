"""What the table holds: runs and their parts. Standard library only: the command line reads it too."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from modelet_runtime.batch.identity import ObjectRef

RunState = Literal["running", "joining", "succeeded", "failed", "cancelled"]
PartState = Literal["pending", "running", "done"]
FINAL = frozenset({"succeeded", "failed", "cancelled"})
RUN_ITEM = "run"
INDEX = "by_model"


def part_item(number: int) -> str:
    """The sort key of a part."""
    return f"part#{number:05d}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One finished piece of output.

    Attributes:
        key: The object in the output bucket.
        size_bytes: Its size.
        rows: Rows in it.
        detail: What the form needs to join it with others.
    """

    key: str
    size_bytes: int
    rows: int
    detail: Any = None


@dataclass(frozen=True, slots=True)
class Run:
    """One input with one model; attributes as decision 0160 names them."""

    run: str
    model: str
    version: int
    digest: str
    bucket: str
    key: str
    object_version: str
    etag: str
    input_bytes: int
    state: RunState
    created_at: float
    parts: int
    output: str
    options: dict[str, Any] = field(default_factory=dict)
    form: str = ""
    format: str = ""
    updated_at: float = 0
    finished_at: float = 0
    rows: int = 0
    failed_rows: int = 0
    results: str = ""
    errors: str = ""
    error: str = ""
    report: str = ""
    cancel: bool = False
    retry_of: str = ""

    @property
    def ref(self) -> ObjectRef:
        """The input."""
        version_id = "" if self.object_version == self.etag else self.object_version
        return ObjectRef(self.bucket, self.key, version_id, self.etag, self.input_bytes)

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of a run's input and how far it is.

    Attributes:
        run: The run's id.
        number: Its place in the input's order.
        slice: Which bytes, row groups or rows it covers, as the planner wrote it.
        state: Whether it is finished.
        fence: Higher with each lease; only its holder may write.
        lease_until_ms: When the lease ends, epoch milliseconds; 0 is free.
        attempts: Leases since the last progress.
        position: Where to go on reading; None is the beginning.
        columns: The columns of the output, once they are known.
        segments: Results that count, in order.
        error_segments: Failed rows that count, in order.
        rows: Rows done.
        failed_rows: How many of them failed.
        bytes_done: Input read.
        bytes_total: Input to read.
        busy_ms: Time spent.
        infer_ms: Time of it that the graph ran.
        last_error: Why the last lease ended early, if it did.
    """

    run: str
    number: int
    slice: dict[str, Any] = field(default_factory=dict)
    state: PartState = "pending"
    fence: int = 0
    lease_until_ms: int = 0
    attempts: int = 0
    position: Any = None
    columns: Any = None
    segments: tuple[Segment, ...] = ()
    error_segments: tuple[Segment, ...] = ()
    rows: int = 0
    failed_rows: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    busy_ms: int = 0
    infer_ms: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: its parts, summed."""

    parts: int
    parts_done: int
    rows: int
    failed_rows: int
    bytes_done: int
    bytes_total: int
    busy_ms: int
    infer_ms: int

    @classmethod
    def of(cls, parts: Iterable[Part]) -> "Progress":
        """Sum parts up."""
        found = list(parts)
        return cls(
            len(found),
            sum(part.state == "done" for part in found),
            *(
                sum(getattr(part, name) for part in found)
                for name in ("rows", "failed_rows", "bytes_done", "bytes_total", "busy_ms", "infer_ms")
            ),
        )

    @property
    def share(self) -> float:
        """The share of the input that is done, 0 to 1."""
        return min(1.0, self.bytes_done / self.bytes_total) if self.bytes_total else 0.0


Item = dict[str, dict[str, Any]]
# Values that are kept as JSON text: the table need not know their insides.
_AS_JSON = frozenset({"options", "slice", "position", "columns", "segments", "error_segments"})


def to_attribute(name: str, value: Any) -> dict[str, Any]:
    """One value as DynamoDB's JSON holds it."""
    if name in _AS_JSON:
        if name.endswith("segments"):
            value = [asdict(segment) for segment in value]
        return {"S": json.dumps(value, separators=(",", ":"))}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, float)):
        return {"N": repr(value)}
    return {"S": str(value)}


def run_to_item(run: Run, expires_at: int) -> Item:
    """A run as the table holds it."""
    return {
        **{f.name: to_attribute(f.name, getattr(run, f.name)) for f in fields(run)},
        "item": {"S": RUN_ITEM},
        "expires_at": {"N": str(expires_at)},
    }


def part_to_item(part: Part, expires_at: int) -> Item:
    """A part as the table holds it."""
    values = {f.name: to_attribute(f.name, getattr(part, f.name)) for f in fields(part) if f.name != "number"}
    return {**values, "item": {"S": part_item(part.number)}, "expires_at": {"N": str(expires_at)}}


def run_from_item(item: Mapping[str, Mapping[str, Any]]) -> Run:
    """A run out of the table."""
    return Run(**_values(Run, item))


def part_from_item(item: Mapping[str, Mapping[str, Any]]) -> Part:
    """A part out of the table."""
    return Part(number=int(item["item"]["S"].partition("#")[2]), **_values(Part, item))


def _values(kind: type[Run] | type[Part], item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f.name: _value(f.name, item[f.name]) for f in fields(kind) if f.name in item}


def _value(name: str, attribute: Mapping[str, Any]) -> Any:
    [(kind, value)] = attribute.items()
    if kind == "N":
        return float(value) if "." in value or "e" in value else int(value)
    if name.endswith("segments"):
        return tuple(Segment(**segment) for segment in json.loads(value))
    return json.loads(value) if name in _AS_JSON else value
