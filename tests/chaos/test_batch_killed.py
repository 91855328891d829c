"""Batch functions are killed at random moments while events come twice, late and in any order.

Everything is a process of its own here: functions get a real `kill -9`, messages a real queue. Faults of S3
and DynamoDB are injected where the worker can be held still: tests/unit/runtime/batch.
"""

import json
import logging
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from support import forms
from support.artifacts import write_version
from support.batch_service import BatchService, batch_service
from support.graphs import softmax

from modelet_runtime.batch import messages
from modelet_runtime.batch.records import Run
from modelet_runtime.manifest import Batch

INPUTS = 50
KILLS = 20
QUEUE = "modelet-batch-demo_model-1"
# Leases of two seconds, two checkpoints a second, a time limit of five seconds: as much as possible happens.
HASTY = {
    "MODELET_BATCH_LEASE_S": "2",
    "MODELET_BATCH_BEAT_S": "0.5",
    "MODELET_BATCH_CHECKPOINT_S": "0.5",
    "MODELET_BATCH_RESERVE_S": "1",
}
_PATIENCE_S = 600
_log = logging.getLogger(__name__)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_input_has_one_right_result_or_one_recorded_failure(tmp_path: Path, seed: int):
    source = random.Random(seed)
    models = tmp_path / "models"
    write_version(
        models / "demo_model" / "versions" / "1", softmax(), "demo_model",
        batch=Batch(split_mib=2, timeout_s=5),
    )  # fmt: skip
    with batch_service(models, environment=HASTY, duplicates=0.3, seed=seed) as service:
        with killing(service, random.Random(seed + 1000)) as kills:
            put = dict(put_all(service, source))
            announce_again(service, source, put)
            ended = wait(service, put)
            announce_again(service, source, put)  # long after: nothing may come of it
        time.sleep(3)
        states = Counter(check(service, key, run, put[key][1]) for key, run in ended.items())
    _log.info("seed %s: %s, %s kills", seed, dict(states), len(kills))
    assert sum(states.values()) == INPUTS
    assert states["succeeded"] > INPUTS // 2
    assert len(kills) >= 5


def put_all(service: BatchService, source: random.Random) -> Iterator[tuple[str, tuple[str, np.ndarray]]]:
    """Put inputs of many sizes and forms; gives version and rows by key."""
    for number in range(INPUTS):
        count = source.choice([1, 50, 50, 1_000, 20_000, 60_000])
        rows = np.random.default_rng(number).integers(0, 4, (count, 4)).astype(np.float32)
        form = source.choice(["jsonl", "csv", "npy", "parquet", "jsonl.gz"])
        key = f"demo_model/{number}.{form}"
        yield key, (service.put(key, forms.every_form(rows)[form]), rows)
        time.sleep(source.random() / 10)


def announce_again(service: BatchService, source: random.Random, put: dict) -> None:
    """Announce some inputs once more, at other times and in another order."""
    sqs = service.client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for key in source.sample(sorted(put), len(put) // 2):
        body = messages.start("modelet-in", key, version_id=put[key][0])
        sqs.send_message(QueueUrl=url, MessageBody=body, DelaySeconds=source.randrange(8))


@contextmanager
def killing(service: BatchService, source: random.Random) -> Iterator[list[int]]:
    """Kill batch functions at random moments, as often as a message may be received and then some."""
    over, killed = threading.Event(), []

    def kill() -> None:
        while len(killed) < KILLS and not over.wait(0.2 + 2 * source.random()):
            if pids := functions(service):
                pid = source.choice(sorted(pids))
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def functions(service: BatchService) -> list[int]:
    """The processes of batch functions."""
    found = []
    for pid in service.running.descendants():
        with suppress(OSError):
            if b"MODELET_BATCH_TABLE=" in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
    return found


def wait(service: BatchService, put: dict) -> dict[str, Run]:
    """Until every input's run is over. What is in the dead-letter queue is driven back, as a person does."""
    end_s = time.monotonic() + _PATIENCE_S
    while True:
        runs = {run.key: run for run in service.runs("demo_model") if run.is_final}
        if len(runs) == len(put):
            return runs
        assert time.monotonic() < end_s, (sorted(set(put) - set(runs)), service.running.lines[-40:])
        redrive(service)
        time.sleep(0.5)


def redrive(service: BatchService) -> None:
    sqs = service.client("sqs")
    dead, live = (sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in (f"{QUEUE}-dead", QUEUE))
    for message in sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages", ()):
        sqs.send_message(QueueUrl=live, MessageBody=message["Body"])
        sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])


def check(service: BatchService, key: str, run: Run, rows: np.ndarray) -> str:
    """One run, one report, and all rows right or none there; gives its state."""
    assert [each.run for each in service.runs("demo_model") if each.key == key] == [run.run]
    keys = service.keys(f"{key}/")
    reports = [name for name in keys if name.rpartition("/")[2] in ("_SUCCESS.json", "_FAILED.json")]
    assert len(reports) == 1, keys
    report = json.loads(service.get(reports[0]))
    assert report["state"] == run.state
    if run.state != "succeeded":
        assert report["error"]["message"]
        assert keys == reports
        return run.state
    assert set(keys) == {run.results, *reports}
    assert (report["rows"], report["failed_rows"]) == (len(rows), 0)
    actual = np.array(forms.read_back(service.get(run.results), report["output"]["format"]), float)
    exponents = np.exp(rows)
    np.testing.assert_allclose(actual, exponents / exponents.sum(1, keepdims=True), rtol=1e-4, atol=1e-6)
    return run.state
