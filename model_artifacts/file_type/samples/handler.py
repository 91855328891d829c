"""Lambda's entry point for one model: an event of the HTTP API in, its answer out."""

from typing import Any

from modelet_runtime import startup

# First of all: the session loads in a thread while the rest is imported.
_loading = startup.begin()

from modelet_runtime.http import lambda_event  # noqa: E402

_application = _loading.finish(lambda_event.fits)


def handler(event: lambda_event.Event, context: lambda_event.Context) -> dict[str, Any]:
    """Answer one request."""
    return lambda_event.answer(_application, event, context)
