"""The functions a folder of models makes: what `infra/` deploys, as processes of this machine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from modelet import paths
from modelet.local.process import FunctionSpec
from modelet.local.router import CATALOG
from modelet.repository import ModelFolder, Version

# Without a limit of its own a function has the account's, 1,000; a laptop has to stop earlier.
DEFAULT_CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class Fleet:
    """What can be served.

    Attributes:
        versions: The complete versions of each model, lowest number first; a model without one is left out.
        unbuilt: Names of models that have no complete version.
    """

    versions: Mapping[str, Sequence[Version]]
    unbuilt: Sequence[str]

    @classmethod
    def of(cls, models: Iterable[ModelFolder]) -> "Fleet":
        """Look at the version folders."""
        found = {
            model.name: [version for version in model.versions() if version.is_complete] for model in models
        }
        return cls(
            {name: versions for name, versions in found.items() if versions},
            [name for name, versions in found.items() if not versions],
        )

    @property
    def live(self) -> Mapping[str, Version]:
        """The version of each model that answers when none is named."""
        return {name: versions[-1] for name, versions in self.versions.items()}

    def write_index(self, path: Path) -> None:
        """Write the manifests of all versions and the latencies they were built with, for the catalog."""
        latency_ms = {
            name: {str(version.number): found for version in versions if (found := _latency_ms(version))}
            for name, versions in self.versions.items()
        }
        manifests = [
            version.manifest.to_dict() for versions in self.versions.values() for version in versions
        ]
        path.write_bytes(orjson.dumps({"models": manifests, "latency_ms": latency_ms}))

    def functions(self, index: Path, snap_start: bool = False) -> Mapping[tuple[str, int], FunctionSpec]:
        """A function per version, by model and number, and the catalog.

        Args:
            index: What `write_index` wrote.
            snap_start: Whether the manifests' wish for SnapStart is granted, as a stage of `infra/` says.
        """
        specs = {
            (name, version.number): _predict(version, version is versions[-1], snap_start)
            for name, versions in self.versions.items()
            for version in versions
        }
        specs[CATALOG, 0] = FunctionSpec(
            name=CATALOG,
            folder=paths.functions(),
            handler="catalog.handler.handler",
            environment={"MODELET_INDEX": str(index)},
            python_path=(paths.runtime_layer(),),
            concurrency=DEFAULT_CONCURRENCY,
        )
        return specs


def _latency_ms(version: Version) -> float | None:
    """The median of the passport's winner; None for a version without a passport."""
    try:
        passport = orjson.loads((version.folder / "passport.json").read_bytes())
        [winner] = [
            each for each in passport["candidates"] if each["precision"] == passport["winner"]["precision"]
        ]
        return float(winner["latency"]["artifact_ms"]["median"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _predict(version: Version, is_live: bool, snap_start: bool) -> FunctionSpec:
    manifest = version.manifest
    return FunctionSpec(
        name=manifest.name if is_live else f"{manifest.name}-{version.number}",
        folder=paths.functions(),
        handler="predict.handler.handler",
        environment={"MODELET_MODEL_DIR": str(version.folder.resolve())},
        python_path=(paths.runtime_layer(),),
        version=str(version.number),
        memory_mib=manifest.resources.memory_mib,
        timeout_s=manifest.resources.timeout_s,
        concurrency=manifest.resources.max_concurrency or DEFAULT_CONCURRENCY,
        snap_start=snap_start and manifest.resources.snap_start,
    )
