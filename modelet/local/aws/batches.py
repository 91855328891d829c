"""Batch inference on one machine: an emulator, and the batch functions of all versions that ask for one."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import orjson

from modelet.local.aws.cloud import Cloud
from modelet.local.aws.lanes import QUEUE_CONCURRENCY, Lane, function, lanes
from modelet.local.aws.mapping import EventSourceMapping, Invoke, MappingSettings
from modelet.local.aws.names import INPUT_BUCKET, STRAYS
from modelet.local.aws.resources import Queue, Resources
from modelet.local.deployment import Stamp, stamps
from modelet.local.fleet import Fleet
from modelet.local.function import Function
from modelet.local.process import FunctionSpec
from modelet.repository import Repository

_FOLLOW_S = 1.0
# How long the emulator's queues hold a request while they are empty. A message ends it at once.
_WAIT_S = 10


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How batches run here.

    Attributes:
        port: Of S3 and all other services; 0 is a free one. None is 9000, or a free one if that is taken.
        duplicates: Share of events that are delivered once more although they were done.
        seed: For the choice of these.
        environment: What else batch functions are told.
    """

    port: int | None = None
    duplicates: float = 0.0
    seed: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Open:
    """A lane that is open."""

    lane: Lane
    queue: Queue
    function: Function
    mapping: EventSourceMapping


class Batches:
    """Runs them; an asynchronous context manager. Without a version that takes batches it does nothing.

    The emulator comes up while requests are answered already.

    Args:
        repository: The models; what is built, promoted or rolled back counts within a second.
        cloud: What they stand on.
        start: Makes a function; its processes start with messages.
        say: Told what changed, in a line.
        ready: Told the URL once objects may be put.
        settings: See the class.
    """

    def __init__(
        self,
        repository: Repository,
        cloud: Cloud,
        start: Callable[[FunctionSpec], Function],
        say: Callable[[str], None],
        ready: Callable[[str], None],
        settings: BatchSettings | None = None,
    ) -> None:
        self._repository = repository
        self._cloud = cloud
        self._start = start
        self._say = say
        self._ready = ready
        self._settings = settings or BatchSettings()
        self._open: dict[str, _Open] = {}
        self._strays: tuple[Queue, EventSourceMapping] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stamps: dict[str, tuple[Stamp, Stamp]] = {}

    async def __aenter__(self) -> Self:
        """Begin."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._on_end)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        mappings = [each.mapping for each in self._open.values()]
        for mapping in (*mappings, *([self._strays[1]] if self._strays else [])):
            await mapping.close()
        for each in self._open.values():
            await each.function.close()

    def named(self, name: str) -> Function:
        """The batch function of a version, by the name it has at Lambda.

        Raises:
            KeyError: There is none of that name.
        """
        return {each.function.spec.name: each.function for each in self._open.values()}[name]

    async def _run(self) -> None:
        """Bring everything up, and keep to what the folders say."""
        while not (wanted := await self._changed()):
            await asyncio.sleep(_FOLLOW_S)
        resources = await self._cloud.resources()
        await asyncio.to_thread(resources.make_shared)
        strays = await asyncio.to_thread(resources.make_queue, STRAYS)
        self._strays = strays, self._feed(resources, strays, self._tell_strays, 1)
        fresh = await self._follow(resources, wanted)
        self._ready(self._cloud.url)
        while True:
            await self._make_machines(resources, fresh)
            await asyncio.sleep(_FOLLOW_S)
            changed = await self._changed()
            fresh = [] if changed is None else await self._follow(resources, changed)

    async def _changed(self) -> dict[str, Lane] | None:
        """The lanes there should be; None if no model changed since this was last asked."""
        found = {entry.name: stamps(entry.path) for entry in os.scandir(self._repository.root)}
        if found == self._stamps:
            return None
        self._stamps = found
        return await asyncio.to_thread(lambda: lanes(Fleet.of(self._repository.models()).shelves.values()))

    def _on_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say(f"batch inference has ended: {type(error).__name__}: {error}")

    async def _follow(self, resources: Resources, wanted: Mapping[str, Lane]) -> list[Lane]:
        """Open and close lanes, and move prefixes; gives the lanes that are new."""
        for name, each in [*self._open.items()]:
            if name not in wanted or wanted[name].manifest != each.lane.manifest:
                await self._close(resources, self._open.pop(name))
        fresh = [lane for name, lane in wanted.items() if name not in self._open]
        for lane in fresh:
            await self._new(resources, lane)
        # A prefix that moves is with both for a moment: two runs are better than none.
        for lane in wanted.values():
            prefixes = dict.fromkeys([*self._open[lane.name].lane.prefixes, *lane.prefixes])
            await asyncio.to_thread(resources.route, self._open[lane.name].queue, [*prefixes])
        for lane in wanted.values():
            self._open[lane.name] = replace(self._open[lane.name], lane=lane)
            await asyncio.to_thread(resources.route, self._open[lane.name].queue, lane.prefixes)
        assert self._strays is not None
        known = [prefix for lane in wanted.values() for prefix in lane.prefixes]
        await asyncio.to_thread(resources.route_others, self._strays[0], known)
        return fresh

    async def _make_machines(self, resources: Resources, fresh: Sequence[Lane]) -> None:
        """Make the state machines of new lanes. The first takes seconds, and only big inputs need it."""
        for lane in fresh:
            arn = self._open[lane.name].function.spec.arn(str(lane.version.number))
            await asyncio.to_thread(resources.make_machine, lane.name, arn, lane.parallel)

    async def _new(self, resources: Resources, lane: Lane) -> None:
        queue = await asyncio.to_thread(resources.make_queue, lane.name)
        environment = {**self._cloud.environment, **self._settings.environment}
        started = self._start(function(lane, queue, environment))
        mapping = self._feed(resources, queue, started.invoke, QUEUE_CONCURRENCY)
        self._open[lane.name] = _Open(lane, queue, started, mapping)

    def _feed(
        self,
        resources: Resources,
        queue: Queue,
        invoke: Invoke,
        concurrency: int,
    ) -> EventSourceMapping:
        settings = MappingSettings(
            concurrency=concurrency,
            wait_s=_WAIT_S,
            duplicates=self._settings.duplicates,
            seed=self._settings.seed,
        )
        mapping = EventSourceMapping(resources.sqs, queue.url, queue.arn, invoke, settings)
        mapping.start()
        return mapping

    async def _close(self, resources: Resources, each: _Open) -> None:
        await asyncio.to_thread(resources.route, each.queue, ())
        await each.mapping.close()
        await each.function.close()

    async def _tell_strays(self, event: bytes) -> bytes:
        """Objects that are for no model."""
        for record in orjson.loads(event)["Records"]:
            with suppress(ValueError, KeyError, TypeError):
                key = orjson.loads(record["body"])["detail"]["object"]["key"]
                known = ", ".join(sorted(p for each in self._open.values() for p in each.lane.prefixes))
                self._say(f"s3://{INPUT_BUCKET}/{key} is for no model: keys begin with {known}")
        return b"{}"
