"""Lambda's entry point for one model: an event of the HTTP API in, its answer out, or a job to work on."""

from typing import Any

from modelet_runtime import startup

# First of all: the session loads in a thread while the rest is imported.
_loading = startup.begin()

from modelet_runtime.http import lambda_event  # noqa: E402

_application = _loading.finish(lambda_event.fits)


def handler(event: lambda_event.Event, context: lambda_event.Context) -> dict[str, Any]:
    """Answer one request, or work on jobs."""
    if "modelet_job" in event or "Records" in event:
        # Imported only where jobs are: it needs AWS.
        from modelet_runtime.jobs import lambda_event as job_event  # noqa: PLC0415

        return job_event.answer(_application, event, context)
    return lambda_event.answer(_application, event, context)
