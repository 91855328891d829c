"""Everything about jobs, from the settings; botocore is imported here."""

from collections.abc import Callable

from modelet_runtime.aws import client_factory
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.jobs.board import Board
from modelet_runtime.jobs.functions import Functions
from modelet_runtime.jobs.objects import Objects
from modelet_runtime.jobs.store import Store
from modelet_runtime.jobs.submission import Parts, Submission
from modelet_runtime.jobs.webhook import Webhook
from modelet_runtime.jobs.worker import Worker
from modelet_runtime.settings import JobsSettings


def parts(settings: JobsSettings) -> Parts:
    """Table, bucket and functions."""
    client = client_factory()
    store = Store(client("dynamodb"), settings.table)
    return Parts(store, Objects(client("s3"), settings.bucket), Functions(client("lambda")))


def submission(settings: JobsSettings, model: str, version: int) -> Submission:
    """What makes jobs of a model's requests."""
    return Submission(parts(settings), model, version, kept_s=settings.kept_days * 86_400)


def worker(settings: JobsSettings, answer: Callable[[Request], Response]) -> Worker:
    """What works on the jobs of a model."""
    return Worker(answer, parts(settings), Webhook(settings.webhook) if settings.webhook else None)


def board(settings: JobsSettings) -> Board:
    """What callers see."""
    return Board(parts(settings))
