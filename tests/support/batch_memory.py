"""A batch function over an input that is made while it is read: what comes out, and the memory it takes.

    PYTHONPATH=.:tests python -m support.batch_memory jsonl 5000000000

Input and output are of any size, so neither is ever whole anywhere: that is what is tested. Everything
between S3's two ends is the function's own code.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from modelet_runtime.batch import lambda_event
from modelet_runtime.batch.application import BatchApplication
from modelet_runtime.batch.identity import ObjectRef
from modelet_runtime.batch.objects import Bucket, Piece
from modelet_runtime.batch.startup import limits_for

MEMORY_MIB = 1769
WIDTH = 64
_ROW = [round(number / WIDTH, 6) for number in range(WIDTH)]


@dataclass(frozen=True)
class Measured:
    """How a run over one input went.

    Attributes:
        state: How it ended.
        message: Why, if not well.
        rows: Of the report.
        lines: Of the results, as they were written.
        input_bytes: As S3 would store it.
        read_bytes: Of it that were asked for.
        before_kib: The process's memory once a small input was done.
        peak_kib: The most it took.
    """

    state: str
    message: str
    rows: int
    lines: int
    input_bytes: int
    read_bytes: int
    before_kib: int
    peak_kib: int


class Made(Bucket):
    """An input bucket with one object, of which a block comes again and again."""

    def __init__(self, name: str, head: bytes, block: bytes, size_bytes: int) -> None:
        super().__init__(None, name)
        self._head, self._block, self._size_bytes = head, block, size_bytes
        self._version = str(size_bytes)
        self.read_bytes = 0

    def head(self, key: str, version_id: str = "", etag: str = "") -> tuple[ObjectRef, dict[str, str]]:
        return ObjectRef(self.name, key, self._version, self._version, self._size_bytes), {}

    def read(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> bytes:
        stop = min(ref.size_bytes, ref.size_bytes if end is None else end)
        self.read_bytes += max(0, stop - start)
        begun = self._head[start:stop]
        at = max(0, start - len(self._head)) % len(self._block)
        left = max(0, stop - start - len(begun))
        return begun + (self._block * (1 + (at + left) // len(self._block)))[at : at + left]

    def read_small(self, key: str, limit_bytes: int) -> bytes | None:
        return None

    def tags(self, ref: ObjectRef) -> dict[str, str]:
        return {}


class Counted(Bucket):
    """An output bucket that keeps sizes and lines, and of reports the text."""

    def __init__(self, name: str) -> None:
        super().__init__(None, name)
        self.sizes: dict[str, int] = {}
        self.reports: dict[str, bytes] = {}
        self.lines = 0

    def head(self, key: str, version_id: str = "", etag: str = "") -> tuple[ObjectRef, dict[str, str]]:
        return ObjectRef(self.name, key, "", "etag", self.sizes[key]), {}

    def put(self, key: str, data: bytes) -> None:
        self._count(data)
        self.sizes[key] = len(data)

    def put_new(self, key: str, data: bytes, media_type: str, metadata: Mapping[str, str]) -> bool:
        self.reports[key] = data
        self.sizes[key] = len(data)
        return True

    def delete(self, key: str) -> None:
        self.sizes.pop(key, None)

    def begin_upload(self, key: str, media_type: str, metadata: Mapping[str, str]) -> Any:
        self.sizes[key] = 0
        return _Upload(self, key)

    def assemble_new(
        self, key: str, pieces: Iterable[Piece], media_type: str, metadata: Mapping[str, str]
    ) -> bool:
        self.sizes[key] = 0
        for piece in pieces:  # what is stored was counted when it came
            self._count(piece.data or b"")
            self.sizes[key] += piece.size_bytes
        return True

    def _count(self, data: bytes) -> None:
        self.lines += data.count(b"\n")


class _Upload:
    def __init__(self, bucket: Counted, key: str) -> None:
        self._bucket, self._key = bucket, key

    @property
    def size_bytes(self) -> int:
        return self._bucket.sizes[self._key]

    def add(self, data: bytes) -> None:
        self._bucket._count(data)
        self._bucket.sizes[self._key] += len(data)

    def complete(self, *, only_new: bool) -> bool:
        return True

    def abort(self) -> None:
        self._bucket.sizes.pop(self._key, None)


def made(case: str, size_bytes: int) -> tuple[str, Made]:
    """An input of about a size: its key and its bucket."""
    line = json.dumps(_ROW).encode() + b"\n"
    cells = line[1:-2].replace(b" ", b"") + b"\n"
    names = ",".join(f"c{number}" for number in range(WIDTH)).encode() + b"\n"
    head, block, suffix = {
        "jsonl": (b"", line * 1000, "jsonl"),
        "csv": (names, cells * 1000, "csv"),
        "line": (line + b"[", b"1," * 500_000, "jsonl"),
        "columns": (b"a", b",a" * 500_000, "csv"),
        "gzip": (b"", gzip.compress(b" " * 64 * 1024**2), "jsonl.gz"),
    }[case]
    whole = len(head) + max(1, (size_bytes - len(head)) // len(block)) * len(block)
    return f"demo_model/{case}.{suffix}", Made("modelet-in", head, block, whole)


def measure(case: str, size_bytes: int) -> Measured:
    """Run one input in this process."""
    from support import batching
    from support.graphs import softmax

    with tempfile.TemporaryDirectory() as scratch, batching.aws():
        predictor = batching.version(Path(scratch), softmax(WIDTH))
        limits = limits_for(MEMORY_MIB)

        def run(case: str, size_bytes: int) -> tuple[Made, Counted]:
            key, source = made(case, size_bytes)
            outputs = Counted("modelet-out")
            batch = batching.Batching(
                predictor, memory_mib=MEMORY_MIB, limits=limits, beat_s=1.0, checkpoint_s=5.0,
                inputs=source, outputs=outputs,
            )  # fmt: skip
            _handled(batch.application, key)
            return source, outputs

        run("jsonl", 8 * 1024**2)
        before_kib = _peak_kib()
        source, outputs = run(case, size_bytes)
    [report] = [json.loads(data) for key, data in outputs.reports.items() if "/_" in key]
    return Measured(
        report["state"], report.get("error", {}).get("message", ""), report["rows"], outputs.lines,
        source._size_bytes, source.read_bytes, before_kib, _peak_kib(),
    )  # fmt: skip


def _handled(application: BatchApplication, key: str) -> None:
    """Announce the object as S3 does, and have the function go on until its run has ended."""
    detail = {"bucket": {"name": "modelet-in"}, "object": {"key": key, "sequencer": "0"}}
    event: dict[str, Any] = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 900_000)
    answer = lambda_event.answer(application, event, context)
    while answer["state"] == "continue":
        event = {"modelet_batch": 1, "action": "continue", "run": answer["run"], "part": 0}
        answer = lambda_event.answer(application, event, context)


def _peak_kib() -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line[:6] == "VmHWM:"]
    return int(line.split()[1])


def measured(case: str, size_bytes: int) -> Measured:
    """Run one input in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "support.batch_memory", case, str(size_bytes)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def main(case: str, size_bytes: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ[name] = "testing"
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    sys.stdout.write(json.dumps(asdict(measure(case, int(size_bytes)))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
