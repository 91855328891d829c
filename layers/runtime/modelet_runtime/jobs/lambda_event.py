"""Lambda's asynchronous events: a job to work on, or what SNS says of an endpoint's answers.

Whatever is raised has Lambda deliver the event again, twice, under the same id.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from modelet_runtime.http.lambda_event import Context, alias_of, remaining_s
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.jobs import opening
from modelet_runtime.jobs.functions import EVENT
from modelet_runtime.jobs.record import is_id
from modelet_runtime.jobs.worker import Call, Worker
from modelet_runtime.settings import JobsSettings

_logger = Logger(service="modelet-jobs")


def answer(
    application: Callable[[Request], Response], event: Mapping[str, Any], context: Context
) -> dict[str, Any]:
    """Work on what an event names."""
    worker = _worker(application)
    arn = context.invoked_function_arn
    call = Call(context.aws_request_id, arn, alias_of(arn), lambda: remaining_s(context))
    states: dict[str, Any] = {}
    for job in _rung(event):
        found = worker.hear(job, call)
        states[job] = found.state if found else None
    if is_id(named := str(event.get(EVENT, ""))):
        found = worker.work(named, call)
        states[named] = found.state if found else None
    _logger.info("worked", extra={"jobs": states})
    return states


@cache
def _worker(application: Callable[[Request], Response]) -> Worker:
    settings = JobsSettings.from_environment()
    if settings is None:
        raise ValueError("MODELET_JOBS_TABLE and MODELET_JOBS_BUCKET: a function without them has no jobs")
    return opening.worker(settings, application)


def _rung(event: Mapping[str, Any]) -> Iterator[str]:
    """The jobs whose endpoint calls are over: an inference's id is the job's and the run's number.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
    """
    for record in event.get("Records", ()):
        try:
            job, _, _run = json.loads(record["Sns"]["Message"])["inferenceId"].rpartition("-")
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # the endpoint has other callers
        if is_id(job):
            yield job
