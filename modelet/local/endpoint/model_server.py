"""Triton, asked as its front end for SageMaker would ask it."""

import asyncio
import contextlib
from dataclasses import dataclass

import aiohttp

from modelet.local.endpoint.states import Endpoint
from modelet_runtime.endpoint.wire import LENGTH, MEDIA_TYPE
from modelet_runtime.protocols.media_type import MediaType

_OK = 200
_LENGTH_HEADER = "Inference-Header-Content-Length"
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said.

    Attributes:
        status: Of HTTP.
        body: As it came.
        media_type: As SageMaker passes it on, with the length of the JSON part.
    """

    status: int
    body: bytes
    media_type: str

    @property
    def is_ok(self) -> bool:
        """Whether it is a result."""
        return self.status == _OK


class ModelServer:
    """Asks the servers of endpoints.

    Args:
        session: Connections to them.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(
        self, endpoint: Endpoint, model: str | None, body: bytes, media_type: str, timeout_s: float
    ) -> Answer:
        """Have a model infer; a server that does not answer is a failure like another."""
        media = MediaType.parse(media_type)
        headers = {"Content-Type": "application/octet-stream"}
        if media.name == MEDIA_TYPE:
            headers[_LENGTH_HEADER] = media.parameters.get(LENGTH, "0")
        url = f"{endpoint.triton_url}/v2/models/{(model or endpoint.models[0]).strip('/')}/infer"
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.post(url, data=body, headers=headers) as answer,
            ):
                content = await answer.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            return Answer(503, str(error).encode(), "text/plain")
        length = answer.headers.get(_LENGTH_HEADER)
        given = f"{MEDIA_TYPE};{LENGTH}={length}" if length else "application/json"
        return Answer(answer.status, content, given)

    async def wait(self, endpoint: Endpoint) -> None:
        """Wait until the server answers pings; without them it would get no requests."""
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with self._session.get(f"{endpoint.triton_url}/v2/health/ready") as answer:
                    if answer.ok:
                        return
            await asyncio.sleep(_POLL_S)
