"""From prefixes to functions: which objects of the input bucket go to which version."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelet import paths
from modelet.local.aws import names
from modelet.local.aws.names import INPUT_BUCKET, OUTPUT_BUCKET, TABLE
from modelet.local.aws.resources import Queue, machine_arn
from modelet.local.fleet import Shelf
from modelet.local.process import FunctionSpec
from modelet.repository import Version
from modelet_runtime.aliases import CANARY, LIVE
from modelet_runtime.manifest import Batch, Manifest

# Messages that a function has from its queue at once; the state machine's calls come on top.
QUEUE_CONCURRENCY = 2
# In the cloud a part is with a worker that is silent for a minute; nobody wants to wait for that here.
_LEASE_S, _BEAT_S = 15, 3


@dataclass(frozen=True, slots=True)
class Lane:
    """A version that takes batches.

    Attributes:
        version: A complete one.
        manifest: What it is.
        batch: How it takes batches.
        aliases: Those that are at it.
    """

    version: Version
    manifest: Manifest
    batch: Batch
    aliases: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its queue, its rule and its state machine."""
        return names.lane(self.manifest.name, self.version.number)

    @property
    def prefixes(self) -> list[str]:
        """What keys begin with that are for this version."""
        model = self.manifest.name
        named = [f"{model}@{which}/" for which in (self.version.number, *self.aliases)]
        return [*([f"{model}/"] if LIVE in self.aliases else []), *named]

    @property
    def parallel(self) -> int:
        """How many parts of one input are worked on at once."""
        return min(self.batch.max_concurrency, os.cpu_count() or 1)


def lanes(shelves: Iterable[Shelf]) -> dict[str, Lane]:
    """All versions that take batches, by the names of their lanes."""
    found = [lane for shelf in shelves for lane in _of(shelf)]
    return {lane.name: lane for lane in found}


def _of(shelf: Shelf) -> Iterable[Lane]:
    at = {LIVE: shelf.standing.live, CANARY: shelf.standing.canary}
    for number, version in shelf.versions.items():
        manifest = shelf.manifests[number]
        if manifest.batch is not None:
            aliases = tuple(alias for alias, there in at.items() if there == version)
            yield Lane(version, manifest, manifest.batch, aliases)


def function(lane: Lane, queue: Queue, environment: Mapping[str, str]) -> FunctionSpec:
    """The batch function of a version.

    It takes what its queue has, whatever an alias is at by then: an object that came before a promote is
    still inferred by the version that was live.

    Args:
        lane: The version.
        queue: What feeds it.
        environment: How it finds AWS, and what else it is told.
    """
    manifest, batch = lane.manifest, lane.batch
    return FunctionSpec(
        name=f"{manifest.name}-{manifest.version}-batch",
        folder=paths.functions(),
        handler="batch.handler.handler",
        environment={
            "MODELET_MODEL_DIR": str(lane.version.folder.resolve()),
            "MODELET_BATCH_TABLE": TABLE,
            "MODELET_BATCH_INPUT": INPUT_BUCKET,
            "MODELET_BATCH_OUTPUT": OUTPUT_BUCKET,
            "MODELET_BATCH_QUEUE_URL": queue.url,
            "MODELET_BATCH_STATE_MACHINE": machine_arn(lane.name),
            "MODELET_BATCH_ALIASES": f"{LIVE} {CANARY}",
            "MODELET_BATCH_LEASE_S": str(_LEASE_S),
            "MODELET_BATCH_BEAT_S": str(_BEAT_S),
            **environment,
        },
        python_path=(paths.runtime_layer(),),
        version=str(manifest.version),
        memory_mib=batch.memory_mib or manifest.resources.memory_mib,
        timeout_s=batch.timeout_s,
        concurrency=QUEUE_CONCURRENCY + lane.parallel,
    )
