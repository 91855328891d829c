"""One input, and workers whose calls of S3 and DynamoDB fail, are throttled or are their last.

Which call fails how is decided by the seed, the worker's number and the call itself, not by the order in
which a worker's threads make their calls: the same seed injects the same faults.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any

import numpy as np
from botocore.exceptions import ClientError

from modelet_runtime.batch import messages
from modelet_runtime.batch.forms.base import Limits
from modelet_runtime.batch.messages import Message
from modelet_runtime.predictor import Predictor
from support import forms
from support.batching import Batching

SMALL = Limits(chunk_bytes=4096, read_bytes=8192)
ROWS = np.random.default_rng(5).random((300, 4)).astype(np.float32)
EXPECTED = np.exp(ROWS) / np.exp(ROWS).sum(1, keepdims=True)
KINDS = ("kill", "throttle", "error", "lost")
_CODES = {
    "s3": {"throttle": "SlowDown", "error": "InternalError"},
    "dynamodb": {"throttle": "ProvisionedThroughputExceededException", "error": "InternalServerError"},
}


class Killed(BaseException):
    """`kill -9`: nothing of the worker's own clean-up is to be relied on."""


@dataclass(frozen=True)
class Fault:
    """What happens to one call.

    Attributes:
        kind: How it fails.
        took_effect: Whether it did what it says nevertheless, with nobody there to hear.
    """

    kind: str
    took_effect: bool


class Faults:
    """Decides of each call of a worker whether it fails, and remembers what did.

    Args:
        seed: Tells one worker of one test from all others.
        share: How many calls fail.
    """

    def __init__(self, seed: str, share: float) -> None:
        self._seed, self._share = seed, share
        self._lock = Lock()
        self._calls: Counter[str] = Counter()
        self.injected: list[tuple[str, Fault]] = []

    def of(self, call: str) -> Fault | None:
        """The fault of a call, by what it is and how often it was made before."""
        with self._lock:
            self._calls[call] += 1
            number = self._calls[call]
        source = random.Random(f"{self._seed}/{call}/{number}")
        if source.random() >= self._share:
            return None
        fault = Fault(source.choice(KINDS), source.random() < 0.5)
        self.injected.append((call, fault))
        return fault


class Faulty:
    """A client of which some calls fail before or after they took effect, or kill the caller."""

    def __init__(self, client: Any, service: str, faults: Faults, life: dict[str, bool]) -> None:
        self._client, self._service, self._faults, self._life = client, service, faults, life

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def wrapped(**arguments: Any) -> Any:
            if not self._life["is_alive"]:
                raise Killed
            fault = self._faults.of(_called(name, arguments))
            if fault is None:
                return call(**arguments)
            if fault.kind == "kill":
                self._life["is_alive"] = False
                if fault.took_effect:
                    call(**arguments)
                raise Killed
            if fault.kind == "lost":
                call(**arguments)
                raise ClientError({"Error": {"Code": "RequestTimeout", "Message": ""}}, name)
            code = _CODES[self._service][fault.kind]
            raise ClientError({"Error": {"Code": code, "Message": ""}}, name)

        return wrapped


def _called(name: str, arguments: dict[str, Any]) -> str:
    """A call without what differs from run to run: ids that the service gives, times."""
    named = [f"{key}={arguments[key]}" for key in ("Key", "Range", "PartNumber") if key in arguments]
    return " ".join([name, *named]) if name != "update_item" else name


@dataclass(frozen=True)
class Input:
    """One input, and what has to come of it.

    Attributes:
        form: Its form.
        failing: Rows that are none.
    """

    form: str
    failing: tuple[int, ...] = ()

    @classmethod
    def of(cls, source: random.Random) -> "Input":
        """Any of them: all rows good, a few bad, or too many bad."""
        if source.random() < 0.6:
            return cls(source.choice(["jsonl", "csv", "npy", "parquet", "jsonl.gz"]))
        count = source.choice([5, 5, 100])
        return cls("jsonl", tuple(sorted(source.sample(range(len(ROWS)), count))))

    @property
    def data(self) -> bytes:
        """The file."""
        if not self.failing:
            return forms.every_form(ROWS)[self.form]
        return forms.jsonl([[1] if row in self.failing else x.tolist() for row, x in enumerate(ROWS)])

    @property
    def state(self) -> str:
        """How its run ends: above a tenth of failures it fails."""
        return "succeeded" if len(self.failing) <= len(ROWS) / 10 else "failed"


def survive(predictor: Predictor, seed: int) -> None:
    """Infer one input while calls fail and workers die; at the end there is one right end."""
    source = random.Random(seed)
    clean = Batching(predictor)
    given = Input.of(source)
    key = f"demo_model/r.{given.form}"
    clean.put(key, given.data)
    message = Message("start", ref=clean.around.inputs.head(key)[0])
    waiting = [message] * source.choice([1, 1, 2, 3])
    injected: list[tuple[int, str, Fault]] = []
    clock_s = 1_700_000_000.0
    for number in range(80):
        if not waiting:
            break
        current = waiting.pop(source.randrange(len(waiting)))  # any of them, however late it is
        worker = Batching(predictor, limits=SMALL, attempts=60, checkpoint_s=0.0)
        worker.clock_s = clock_s
        faults, life = Faults(f"{seed}/{number}", source.choice([0.0, 0.02, 0.1])), {"is_alive": True}
        s3 = Faulty(worker.s3, "s3", faults, life)
        worker.around.inputs._client = worker.around.outputs._client = s3
        worker.store._client = Faulty(worker.dynamodb, "dynamodb", faults, life)
        deadline_s = monotonic() + source.choice([0, 3600])
        try:
            worker.handle(current, from_queue=True, deadline_s=deadline_s)
        except (Killed, ClientError):
            waiting.append(current)  # its visibility ends, and the queue delivers it again
        waiting += [messages.parse_text(body) for body, _ in worker.queue.sent]
        injected += [(number, call, fault) for call, fault in faults.injected]
        whole_or_nothing(clean, given)
        clock_s += source.choice([1, 61])
    assert not waiting, injected
    check(clean, given, message, injected)


def whole_or_nothing(batch: Batching, given: Input) -> None:
    """Whoever reads now finds results that are whole, or none."""
    for key in batch.keys("demo_model/"):
        name = key.rpartition("/")[2]
        if name.startswith("_"):
            json.loads(batch.get(key))
        elif name.endswith(".errors.jsonl"):
            assert [json.loads(line)["row"] for line in batch.get(key).splitlines()] == list(given.failing)
        else:
            same(forms.read_back(batch.get(key), key.rpartition(".")[2]), given)


def same(actual: list[Any], given: Input) -> None:
    """All rows are there, in order, once; those that failed are empty."""
    assert len(actual) == len(ROWS)
    assert [row for row, answer in enumerate(actual) if answer is None] == list(given.failing)
    good = [row for row in range(len(ROWS)) if row not in given.failing]
    np.testing.assert_allclose(
        np.array([actual[row] for row in good], float), EXPECTED[good], rtol=1e-4, atol=1e-6
    )


def check(batch: Batching, given: Input, message: Message, injected: list[Any]) -> None:
    """One report; results that are right, or none and the reason."""
    run = batch.application._planned(message.ref, {})[0].run
    ended = batch.ended(run)
    assert ended.report["state"] == given.state, (ended.report, injected)
    assert [error["row"] for error in ended.errors] == list(given.failing), injected
    assert len([key for key in batch.keys("demo_model/") if "/_" in key]) == 1, injected
    if given.state == "succeeded":
        same(forms.read_back(ended.results, ended.report["output"]["format"]), given)
    else:
        assert (ended.results, ended.report["error"]["code"]) == (b"", "too_many_failures"), injected
