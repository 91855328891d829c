"""AWS on this machine: Lambda from the first moment, all the rest when somebody first needs it.

Where the rest will listen is settled when the service starts, so functions know before it is up.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from modelet.errors import ServiceRefused
from modelet.local.aws.emulator import CREDENTIALS, Emulator, checked, url_of
from modelet.local.aws.event_queue import Invoke
from modelet.local.aws.lambda_api import LambdaApi
from modelet.local.aws.names import DEFAULT_PORT, JOBS_BUCKET, JOBS_TABLE
from modelet.local.aws.resources import Resources
from modelet.local.process import REGION


class Cloud:
    """Starts what is needed; an asynchronous context manager.

    Args:
        port: Of all services but Lambda; 0 is a free one. None is 9000, or a free one if that is taken.
        find: What invokes a function, by the function's name; raises KeyError for one that there is not.
        webhook: Who hears of jobs that have ended.

    Attributes:
        url: Where S3 and the others listen, once they are up.
    """

    def __init__(self, port: int | None, find: Callable[[str], Invoke], webhook: str | None = None) -> None:
        self._wanted_port = port
        self._find = find
        self._webhook = webhook
        self._lambda: LambdaApi | None = None
        self._emulator: Emulator | None = None
        self._starting: asyncio.Task[Resources] | None = None
        self._port = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        """Take calls of functions.

        Raises:
            ServiceRefused: The port is taken.
        """
        self._port = self._chosen_port()
        self.url = url_of(self._port)
        self._lambda = await LambdaApi(self._find, self.url).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._emulator is not None:
            await self._emulator.stop()
        if self._lambda is not None:
            await self._lambda.__aexit__(kind, error, trace)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a function needs to call AWS here, and to have jobs."""
        assert self._lambda is not None
        webhook = {"MODELET_JOBS_WEBHOOK": self._webhook} if self._webhook else {}
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_LAMBDA": url_of(self._lambda.port),
            "AWS_DEFAULT_REGION": REGION,
            **CREDENTIALS,
            "MODELET_JOBS_TABLE": JOBS_TABLE,
            "MODELET_JOBS_BUCKET": JOBS_BUCKET,
            **webhook,
        }

    async def resources(self) -> Resources:
        """Everything, up and with a table and a bucket of jobs; the first call takes seconds.

        Raises:
            ServiceRefused: It did not come up.
        """
        if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
            self._starting = asyncio.create_task(self._start())
        # Whoever stops waiting leaves it starting.
        return await asyncio.shield(self._starting)

    async def _start(self) -> Resources:
        assert self._lambda is not None
        self._emulator = await Emulator(self._port, self._lambda.port).__aenter__()
        resources = await asyncio.to_thread(Resources, self._emulator)
        await asyncio.to_thread(resources.make_jobs)
        return resources

    def _chosen_port(self) -> int:
        if self._wanted_port is not None:
            return checked(self._wanted_port)
        try:
            return checked(DEFAULT_PORT)
        except ServiceRefused:
            return checked(0)
