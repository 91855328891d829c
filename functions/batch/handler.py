"""Lambda's entry point for files of a bucket: S3's events by way of a queue, or a direct call."""

from typing import Any

from modelet_runtime import startup

# First of all: the session loads in a thread while the rest is imported.
_loading = startup.begin()

from modelet_runtime.batch import lambda_event  # noqa: E402
from modelet_runtime.batch.startup import from_environment  # noqa: E402

_application = from_environment(_loading.predictor)


def handler(event: dict[str, Any], context: lambda_event.Context) -> dict[str, Any]:
    """Work through the messages of a queue, or answer one call."""
    return lambda_event.answer(_application, event, context)
