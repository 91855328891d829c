"""Bring the batch function up."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from modelet_runtime.aws import client_factory
from modelet_runtime.batch.application import BatchApplication
from modelet_runtime.batch.forms.base import Limits
from modelet_runtime.batch.objects import Bucket
from modelet_runtime.batch.services import Queue, StateMachine
from modelet_runtime.batch.settings import BatchSettings
from modelet_runtime.batch.store import Store
from modelet_runtime.batch.worker import Surroundings
from modelet_runtime.manifest import FILE_NAME
from modelet_runtime.predictor import Predictor
from modelet_runtime.settings import Settings

_MIB = 1024**2


def application(
    predictor: Predictor, folder: Path, memory_mib: int, settings: BatchSettings
) -> BatchApplication:
    """The batch function of a model.

    Args:
        predictor: The model, loaded.
        folder: Its version folder.
        memory_mib: The function's memory.
        settings: Where tables, buckets and queues are.
    """
    client = client_factory()
    s3 = client("s3")
    around = Surroundings(
        predictor=predictor,
        settings=settings,
        store=Store(client("dynamodb"), settings.table),
        inputs=Bucket(s3, settings.input_bucket),
        outputs=Bucket(s3, settings.output_bucket),
        memory_mib=memory_mib,
        limits=limits_for(memory_mib),
    )
    digest = hashlib.sha256((folder / FILE_NAME).read_bytes()).hexdigest()
    queue = Queue(client("sqs"), settings.queue_url) if settings.queue_url else None
    machine = None
    if settings.state_machine:
        machine = StateMachine(client("stepfunctions"), settings.state_machine)
    return BatchApplication(around, digest, queue, machine)


def from_environment(predictor: Callable[[], Predictor]) -> BatchApplication:
    """The batch function as its environment describes it.

    Args:
        predictor: Waits for the model; what AWS needs is imported before it is called.
    """
    settings, batch = Settings.from_environment(), BatchSettings.from_environment()
    return application(predictor(), settings.model_dir, settings.memory_mib, batch)


def limits_for(memory_mib: int) -> Limits:
    """Bounds that a function of this memory can hold."""
    return Limits(
        row_bytes=min(64, max(8, memory_mib // 16)) * _MIB,
        group_bytes=min(1024, max(32, memory_mib // 4)) * _MIB,
    )
