"""The functions a folder of models makes: what `infra/` deploys, as processes of this machine."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from modelet import paths
from modelet.aliases.standing import Standing, standing
from modelet.local.process import FunctionSpec
from modelet.local.router import CATALOG, Serving
from modelet.repository import ModelFolder, Version
from modelet_runtime.aliases import CANARY, LIVE
from modelet_runtime.manifest import Manifest

# Without a limit of its own a function has the account's, 1,000; a laptop has to stop earlier.
DEFAULT_CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class Shelf:
    """What of one model is on disk, and what its aliases are at.

    Attributes:
        name: The model's name.
        standing: Its aliases.
        versions: The complete versions by number, lowest first.
        manifests: What each of them is, by which one that was built anew is told.
    """

    name: str
    standing: Standing
    versions: Mapping[int, Version]
    manifests: Mapping[int, Manifest]

    @classmethod
    def of(cls, model: ModelFolder) -> "Shelf":
        """Look at a model's folder."""
        complete = {version.number: version for version in model.versions() if version.is_complete}
        manifests = {number: version.manifest for number, version in complete.items()}
        return cls(model.name, standing(model), complete, manifests)

    @property
    def serving(self) -> Serving:
        """What the router has to know."""
        live, canary = self.standing.live, self.standing.canary
        return Serving(
            self.versions.keys(),
            live.number if live else None,
            canary.number if canary else None,
            self.standing.weight,
            self.standing.troubles,
        )

    def changes(self, before: "Shelf | None") -> Iterator[str]:
        """What is different for callers, in lines."""
        was, now = before.serving if before else Serving((), None), self.serving
        if was.live != now.live:
            yield f"{self.name}: {LIVE} {was.live or '-'} -> {now.live or '-'}"
        if (was.canary, was.weight) != (now.canary, now.weight):
            share = f", {now.weight:.3g} of the requests" if now.canary else ""
            yield f"{self.name}: {CANARY} {was.canary or '-'} -> {now.canary or '-'}{share}"
        yield from (trouble for trouble in now.troubles.values() if trouble not in was.troubles.values())


@dataclass(frozen=True, slots=True)
class Fleet:
    """All models that can be served, by name."""

    shelves: Mapping[str, Shelf]

    @classmethod
    def of(cls, models: Iterable[ModelFolder]) -> "Fleet":
        """Look at the models' folders."""
        return cls({model.name: Shelf.of(model) for model in models})

    @property
    def troubles(self) -> Sequence[str]:
        """Why aliases cannot answer."""
        return [trouble for shelf in self.shelves.values() for trouble in shelf.standing.troubles.values()]

    @property
    def for_gpu(self) -> Sequence[Version]:
        """The live versions whose graph an endpoint runs."""
        return [version for version in self.live.values() if version.manifest.target == "gpu"]

    @property
    def live(self) -> Mapping[str, Version]:
        """The version of each model that answers when none is named."""
        return {name: shelf.standing.live for name, shelf in self.shelves.items() if shelf.standing.live}

    def write_index(self, path: Path, served_by: Mapping[str, str] | None = None) -> None:
        """Write the manifests of all versions and what is known of them besides, for the catalog.

        Args:
            path: The file.
            served_by: Who answers for a model, by name, where it is not whom the model is meant for.
        """
        shelves = self.shelves.values()
        index = {
            "models": [manifest.to_dict() for shelf in shelves for manifest in shelf.manifests.values()],
            "live": {name: version.number for name, version in self.live.items()},
            "served_by": dict(served_by or {}),
            "latency_ms": {
                shelf.name: {str(n): found for n, v in shelf.versions.items() if (found := _latency_ms(v))}
                for shelf in shelves
                if shelf.versions
            },
        }
        path.write_bytes(orjson.dumps(index))


def catalog(index: Path, about: Mapping[str, str]) -> FunctionSpec:
    """The function of what belongs to no single model.

    Args:
        index: What `Fleet.write_index` wrote.
        about: What else its environment tells it.
    """
    return FunctionSpec(
        name=CATALOG,
        folder=paths.functions(),
        handler="catalog.handler.handler",
        environment={"MODELET_INDEX": str(index), **about},
        python_path=(paths.runtime_layer(),),
        concurrency=DEFAULT_CONCURRENCY,
    )


def predict(version: Version, about: Mapping[str, str], *, is_live: bool, snap_start: bool) -> FunctionSpec:
    """The function of a version.

    Args:
        version: A complete one.
        about: What else its environment tells it.
        is_live: Whether it is live, and so bears the model's bare name.
        snap_start: Whether the manifest's wish for SnapStart is granted, as a stage of `infra/` says.
    """
    manifest = version.manifest
    return FunctionSpec(
        name=manifest.name if is_live else f"{manifest.name}-{version.number}",
        folder=paths.functions(),
        handler="predict.handler.handler",
        environment={"MODELET_MODEL_DIR": str(version.folder.resolve()), **about},
        python_path=(paths.runtime_layer(),),
        version=str(version.number),
        memory_mib=manifest.resources.memory_mib,
        timeout_s=manifest.resources.timeout_s,
        concurrency=manifest.resources.max_concurrency or DEFAULT_CONCURRENCY,
        snap_start=snap_start and manifest.resources.snap_start,
    )


def _latency_ms(version: Version) -> float | None:
    """The median of the passport's winner; None for a version without a passport."""
    try:
        passport = orjson.loads((version.folder / "passport.json").read_bytes())
        [winner] = [each for each in passport["candidates"] if each["name"] == passport["winner"]["name"]]
        return float(winner["latency_ms"]["median"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
