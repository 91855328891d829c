"""An endpoint as its callers see it: in service, at zero, waking up, or stopped."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

from modelet.local.endpoint.faults import Faults
from modelet.local.events import ACCOUNT_ID
from modelet.local.process import REGION

State = Literal["in_service", "waking", "at_zero", "stopped"]
_POLL_S = 0.02


@dataclass(slots=True)
class Endpoint:
    """One endpoint.

    Attributes:
        name: Its name.
        triton_url: The server behind it.
        models: The models on it; the first one answers if none is named.
        output: URI of the prefix where asynchronous answers go; empty for a real-time endpoint.
        failures: URI of the prefix where their failures go.
        wake_s: How long it takes from zero into service.
        idle_s: Without a request for so long it goes to zero; None keeps it in service.
        state: Where it begins.
        faults: What goes wrong.
    """

    name: str
    triton_url: str
    models: tuple[str, ...]
    output: str = ""
    failures: str = ""
    wake_s: float = 0.0
    idle_s: float | None = None
    state: State = "in_service"
    faults: Faults = field(default_factory=Faults.none)

    @property
    def is_async(self) -> bool:
        """Whether it takes asynchronous calls, and only these."""
        return bool(self.output)

    def describe(self) -> dict[str, Any]:
        """What `DescribeEndpoint` tells of it, as far as anyone here asks."""
        variant = {
            "VariantName": "live",
            "CurrentInstanceCount": int(self.state == "in_service"),
            "DesiredInstanceCount": int(self.state in ("in_service", "waking")),
        }
        return {
            "EndpointName": self.name,
            "EndpointArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:endpoint/{self.name}",
            "EndpointConfigName": self.name,
            "EndpointStatus": "Updating" if self.state == "waking" else "InService",
            "CreationTime": 0,
            "LastModifiedTime": 0,
            "ProductionVariants": [variant],
        }


class Scaling:
    """Takes endpoints to zero when nobody asks them, and wakes them when somebody does."""

    def __init__(self) -> None:
        self._sleepers: dict[str, asyncio.TimerHandle] = {}
        self._wakings: dict[str, asyncio.Task[None]] = {}

    def note_use(self, endpoint: Endpoint) -> None:
        """Keep an endpoint in service for a while."""
        if endpoint.name in self._sleepers:
            self._sleepers.pop(endpoint.name).cancel()
        if endpoint.idle_s is not None:
            loop = asyncio.get_running_loop()
            self._sleepers[endpoint.name] = loop.call_later(endpoint.idle_s, _sleep, endpoint)

    def wake(self, endpoint: Endpoint) -> None:
        """Have an endpoint that is at zero come up."""
        if endpoint.state == "at_zero":
            endpoint.state = "waking"
            self._wakings[endpoint.name] = asyncio.create_task(self._wake(endpoint))

    async def wait(self, endpoint: Endpoint) -> None:
        """Wake an endpoint and wait until it is in service."""
        while endpoint.state != "in_service":
            self.wake(endpoint)
            await asyncio.sleep(_POLL_S)

    def close(self) -> None:
        """Change no state any more."""
        for sleeper in self._sleepers.values():
            sleeper.cancel()
        for waking in self._wakings.values():
            waking.cancel()

    async def _wake(self, endpoint: Endpoint) -> None:
        await asyncio.sleep(endpoint.wake_s)
        if endpoint.state == "waking":
            endpoint.state = "in_service"
            self.note_use(endpoint)


def _sleep(endpoint: Endpoint) -> None:
    if endpoint.state == "in_service":
        endpoint.state = "at_zero"
