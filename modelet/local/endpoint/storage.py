"""S3 as an asynchronous endpoint uses it: objects by URI."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit


class S3Objects:
    """Objects of the emulator.

    Args:
        client: Gives boto3's client of S3, when the emulator is up; its calls block.
    """

    def __init__(self, client: Callable[[], Awaitable[Any]]) -> None:
        self._client = client

    async def read(self, uri: str) -> bytes:
        """The content of an object."""
        client = await self._client()

        def get() -> bytes:
            content: bytes = client.get_object(**_place(uri))["Body"].read()
            return content

        return await asyncio.to_thread(get)

    async def write(self, uri: str, body: bytes, media_type: str) -> None:
        """Make an object."""
        client = await self._client()
        await asyncio.to_thread(client.put_object, **_place(uri), Body=body, ContentType=media_type)


def _place(uri: str) -> dict[str, str]:
    parts = urlsplit(uri)
    return {"Bucket": parts.netloc, "Key": parts.path.removeprefix("/")}
