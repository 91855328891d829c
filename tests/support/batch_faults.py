"""One input, and workers whose calls of S3 and DynamoDB fail, are throttled or are their last."""

import random
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


class Killed(BaseException):
    """`kill -9`: nothing of the worker's own clean-up is to be relied on."""


class Faulty:
    """A client of which some calls fail before or after they took effect, or kill the caller."""

    def __init__(self, client: Any, source: random.Random, share: float, kinds: list[str]) -> None:
        self._client, self._source, self._share, self._kinds = client, source, share, kinds
        self.is_dead = False

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def wrapped(**arguments: Any) -> Any:
            if self.is_dead:
                raise Killed
            kind = self._source.choice(self._kinds) if self._source.random() < self._share else None
            if kind == "kill":
                self.is_dead = True
                if self._source.random() < 0.5:
                    call(**arguments)  # it took effect, and nobody was there to hear
                raise Killed
            if kind == "throttle":
                raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, name)
            answer = call(**arguments)
            if kind == "lost":
                raise ClientError({"Error": {"Code": "RequestTimeout", "Message": ""}}, name)
            return answer

        return wrapped


def survive(predictor: Predictor, seed: int) -> None:
    """Infer one input while calls fail and workers die; at the end there is one right result."""
    source = random.Random(seed)
    clean = Batching(predictor)
    form = source.choice(["jsonl", "csv", "npy", "parquet"])
    clean.put(f"demo_model/r.{form}", forms.every_form(ROWS)[form])
    message = Message("start", ref=clean.around.inputs.head(f"demo_model/r.{form}")[0])
    waiting = [message] * source.choice([1, 1, 2, 3])
    clock_s = 1_700_000_000.0
    for _ in range(60):
        if not waiting:
            break
        current = waiting.pop(source.randrange(len(waiting)))
        worker = Batching(predictor, limits=SMALL, attempts=40, checkpoint_s=0.0)
        worker.clock_s = clock_s
        share = source.choice([0.0, 0.02, 0.1])
        clients = [
            Faulty(client, source, share, ["kill", "throttle", "lost"])
            for client in (worker.s3, worker.dynamodb)
        ]
        worker.around.inputs._client = worker.around.outputs._client = clients[0]
        worker.store._client = clients[1]
        deadline_s = monotonic() + source.choice([0, 3600])
        try:
            worker.handle(current, from_queue=True, deadline_s=deadline_s)
        except (Killed, ClientError):
            waiting.append(current)  # its visibility ends, and the queue delivers it again
        waiting += [messages.parse_text(body) for body, _ in worker.queue.sent]
        clock_s += source.choice([1, 61])
    assert not waiting
    run = clean.application._planned(message.ref, {})[0].run
    ended = clean.ended(run)
    assert ended.report["state"] == "succeeded", ended.report
    actual = forms.read_back(ended.results, ended.report["output"]["format"])
    np.testing.assert_allclose(np.array(actual, float), EXPECTED, rtol=1e-4, atol=1e-6)
    reports = [key for key in clean.keys("demo_model/") if "/_" in key]
    assert len(reports) == 1
