"""The service with models that take batches, as a person with an S3 client meets it."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from modelet.local.aws.names import INPUT_BUCKET, OUTPUT_BUCKET, TABLE
from modelet_runtime.batch.records import Part, Run
from modelet_runtime.batch.store import Store
from support.service import Running, running

_SERVE = """
import json, sys
from pathlib import Path
from modelet.local.aws.batches import BatchSettings
from modelet.local.service import serve
serve(Path(sys.argv[1]), int(sys.argv[2]), batch=BatchSettings(0, **json.loads(sys.argv[3])))
"""
_PATIENCE_S = 120
_POLL_S = 0.1


@dataclass
class BatchService:
    """A service whose S3 is up.

    Attributes:
        running: The service.
        s3_url: Where its S3 listens.
    """

    running: Running
    s3_url: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self.s3_url, region_name="us-east-1",
            aws_access_key_id="any", aws_secret_access_key="any",
        )  # fmt: skip

    @property
    def store(self) -> Store:
        return Store(self.client("dynamodb"), TABLE)

    def put(self, key: str, data: bytes, **arguments: Any) -> str:
        """Put an input; gives its version."""
        return self.client("s3").put_object(Bucket=INPUT_BUCKET, Key=key, Body=data, **arguments)["VersionId"]

    def get(self, key: str) -> bytes:
        return self.client("s3").get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        pages = (
            self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=OUTPUT_BUCKET, Prefix=prefix)
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def runs(self, model: str) -> list[Run]:
        return list(self.store.runs(model))

    def parts(self, run: str) -> list[Part]:
        return list(self.store.parts(run))

    def ended(self, key: str, version: str) -> tuple[Run, dict[str, Any]]:
        """Wait for the run of an object to end; gives it with its report, as the bucket has it."""
        model = key.partition("/")[0].partition("@")[0]

        def found() -> Run | None:
            return next(
                (run for run in self.runs(model) if (run.key, run.object_version) == (key, version)), None
            )

        until(lambda: (run := found()) is not None and run.is_final, self.running)
        run = found()
        assert run is not None
        name = "_SUCCESS.json" if run.state == "succeeded" else "_FAILED.json"
        until(lambda: run.output + name in self.keys(run.output), self.running)
        return run, json.loads(self.get(run.output + name))

    def infer(self, key: str, data: bytes, **arguments: Any) -> tuple[Run, dict[str, Any]]:
        """Put an input and wait for its run to end."""
        return self.ended(key, self.put(key, data, **arguments))


def until(condition: Any, service: Running) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "".join(service.lines[-60:])
        time.sleep(_POLL_S)


@contextmanager
def batch_service(models: Path, **settings: Any) -> Iterator[BatchService]:
    """Start it on free ports; `settings` are those of `BatchSettings`."""
    with running(models, json.dumps(settings), script=_SERVE) as service:
        until(lambda: any(line.startswith("batch http") for line in service.lines), service)
        [line] = [line for line in service.lines if line.startswith("batch http")]
        yield BatchService(service, line.split()[1].rstrip(":"))


def with_batch(source: Path, target: Path, **changes: Any) -> None:
    """Copy a version folder and have its manifest ask for batch."""
    import shutil

    shutil.copytree(source, target)
    file = target / "manifest.json"
    document: Mapping[str, Any] = json.loads(file.read_bytes())
    file.write_text(json.dumps({**document, "batch": changes}))
