"""A batch function with moto's AWS around it, in process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from modelet_runtime.batch import messages
from modelet_runtime.batch.application import BatchApplication, Call
from modelet_runtime.batch.forms.base import Limits
from modelet_runtime.batch.objects import Bucket
from modelet_runtime.batch.settings import BatchSettings
from modelet_runtime.batch.store import Store
from modelet_runtime.batch.worker import Surroundings
from modelet_runtime.manifest import Manifest
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps import pipeline
from support.artifacts import write_version

INPUT, OUTPUT, TABLE = "modelet-in", "modelet-out", "modelet-batch"
SETTINGS = BatchSettings(TABLE, INPUT, OUTPUT, beat_s=30)


def load_predictor(folder: Path) -> Predictor:
    manifest = Manifest.load(folder)
    return Predictor(manifest, OrtSession(folder / "model.ort"), pipeline.build(manifest, folder))


def create_table(client: Any, name: str = TABLE) -> None:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "run", "KeyType": "HASH"},
            {"AttributeName": "item", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "run", "AttributeType": "S"},
            {"AttributeName": "item", "AttributeType": "S"},
            {"AttributeName": "model", "AttributeType": "S"},
            {"AttributeName": "created_at", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_model",
                "KeySchema": [
                    {"AttributeName": "model", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


@dataclass
class FakeQueue:
    """Keeps what was sent."""

    sent: list[tuple[str, int]] = field(default_factory=list)

    def send(self, body: str, delay_s: int = 0) -> None:
        self.sent.append((body, delay_s))


@dataclass
class FakeMachine:
    """Keeps what was started."""

    started: dict[str, Any] = field(default_factory=dict)

    def start(self, name: str, document: str) -> None:
        self.started.setdefault(name, json.loads(document))


class Batching:
    """One model's batch function, its buckets and its table."""

    def __init__(self, predictor: Predictor, *, machine: FakeMachine | None = None, **changes: Any) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        self.dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        self.queue = FakeQueue()
        self.machine = machine
        limits = changes.pop("limits", Limits())
        memory_mib = changes.pop("memory_mib", 1769)
        inputs = changes.pop("inputs", Bucket(self.s3, INPUT))
        outputs = changes.pop("outputs", Bucket(self.s3, OUTPUT))
        self.clock_s = 1_700_000_000.0
        self.store = Store(self.dynamodb, TABLE, lambda: self.clock_s)
        self.around = Surroundings(
            predictor, replace(SETTINGS, **changes), self.store, inputs, outputs, memory_mib, limits,
        )  # fmt: skip
        self.application = BatchApplication(self.around, "d" * 64, self.queue, machine, lambda: self.clock_s)

    def put(self, key: str, data: bytes, **arguments: Any) -> messages.Message:
        """Put an input; gives S3's announcement of it."""
        stored = self.s3.put_object(Bucket=INPUT, Key=key, Body=data, **arguments)
        return self.announcement(key, len(data), stored["ETag"])

    def announcement(self, key: str, size: int, etag: str) -> messages.Message:
        document = {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {
                "bucket": {"name": INPUT},
                "object": {"key": key, "size": size, "etag": etag.strip('"'), "sequencer": "00"},
            },
        }
        message = messages.parse(document)
        assert message is not None
        return message

    def handle(self, message: messages.Message, **call: Any) -> dict[str, Any]:
        return self.application.handle(message, Call(**call))

    def infer(self, key: str, data: bytes, **arguments: Any) -> "Ended":
        """Put an input and run it to its end."""
        answer = self.handle(self.put(key, data, **arguments))
        while answer["state"] == "continue":
            answer = self.handle(messages.Message("continue", run=answer["run"]))
        return self.ended(answer["run"])

    def ended(self, run: str) -> "Ended":
        record = self.store.run(run)
        assert record is not None
        keys = self.keys(record.output)
        name = "_SUCCESS.json" if record.state == "succeeded" else "_FAILED.json"
        report = json.loads(self.get(record.output + name))
        assert (record.output + "_SUCCESS.json" in keys) != (record.output + "_FAILED.json" in keys)
        results = self.get(record.results) if record.results else b""
        errors = self.get(record.errors).splitlines() if record.errors else []
        return Ended(report, results, [json.loads(line) for line in errors], keys)

    def get(self, key: str) -> bytes:
        data: bytes = self.s3.get_object(Bucket=OUTPUT, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str = "") -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=OUTPUT, Prefix=prefix)
        return [item["Key"] for item in listed.get("Contents", [])]


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    report: dict[str, Any]
    results: bytes
    errors: list[dict[str, Any]]
    keys: list[str]


@contextmanager
def aws() -> Iterator[None]:
    """Moto's AWS with the buckets and the table."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        for name in (INPUT, OUTPUT):
            s3.create_bucket(Bucket=name)
        create_table(boto3.client("dynamodb", region_name="us-east-1"))
        yield


def version(folder: Path, proto: Any, name: str = "demo_model", **changes: Any) -> Predictor:
    """A built version of a graph, loaded."""
    write_version(folder, proto, name, **changes)
    return load_predictor(folder)
