"""Which requests need more of AWS than Lambda: those for jobs and uploads."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from modelet.errors import ServiceRefused
from modelet.local.errors import StillStarting

# Less than a client or the gateway waits.
_PATIENCE_S = 20.0


def needs_aws(request: web.Request) -> bool:
    """Whether a request asks for a job, for one that there is, or for an upload."""
    path = request.path.rstrip("/")
    return (
        request.method == "PUT"
        or path == "/uploads"
        or path.startswith("/jobs/")
        or "upload" in request.query
        or "respond-async" in request.headers.get("prefer", "").lower()
    )


async def until_up(start: Callable[[], Awaitable[object]]) -> None:
    """Wait for AWS.

    Raises:
        StillStarting: (503) It takes longer than somebody should wait, or cannot be started.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await start()
    except TimeoutError as error:
        raise StillStarting("the emulator of AWS is still starting") from error
    except ServiceRefused as error:
        raise StillStarting(str(error)) from error
