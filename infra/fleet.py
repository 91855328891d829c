"""The models to deploy, read from their manifests and the build contexts made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.errors import ModelRefused, NotBuilt
from infra.routes import Route, model_routes
from infra.settings import StageSettings
from modelet_runtime.manifest import Manifest

GOLDEN = "golden.json"
PASSPORT = "passport.json"
BUILD = "modelet build && modelet image --context --all"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model as the toolchain left it.

    Attributes:
        manifest: What it is.
        context: The folder its image is built from.
        golden: Inputs with the outputs expected of them.
    """

    manifest: Manifest
    context: Path
    golden: Path


@dataclass(frozen=True, slots=True)
class FleetModel:
    """One model: the version that is live, and older ones that stay callable."""

    live: ModelVersion
    pinned: tuple[ModelVersion, ...] = ()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.live.manifest.name

    def routes(self) -> list[Route]:
        """All routes that reach one of its functions."""
        versions = [version.manifest.version for version in self.pinned]
        return [*model_routes(self.name), *(r for v in versions for r in model_routes(self.name, v))]


def read(models: Path, contexts: Path, settings: StageSettings) -> tuple[FleetModel, ...]:
    """All models below `models` that have a built version, by name.

    Raises:
        ModelRefused: A manifest asks for what Lambda does not give.
        NotBuilt: A build context is missing.
    """
    folders = sorted(path.parent for path in models.glob("*/versions") if path.is_dir())
    fleet = tuple(_read(folder, contexts, settings) for folder in folders if _numbers(folder))
    unknown = sorted(set(settings.pinned_versions) - {model.name for model in fleet})
    if unknown:
        raise ModelRefused(f"{settings.name}: pinned_versions: there is no model {', '.join(unknown)}")
    return fleet


def _read(folder: Path, contexts: Path, settings: StageSettings) -> FleetModel:
    live, *older = reversed(_numbers(folder))
    pinned = settings.pinned_versions.get(folder.name, ())
    missing = sorted(set(pinned) - set(older))
    if missing:
        raise ModelRefused(f"{folder.name}: there is no older version {missing[0]} to pin")
    return FleetModel(
        _version(folder, live, contexts),
        tuple(_version(folder, number, contexts) for number in sorted(pinned)),
    )


def _numbers(folder: Path) -> list[int]:
    """The built versions of a model, lowest first."""
    return sorted(
        int(path.parent.name)
        for path in folder.glob("versions/*/manifest.json")
        if path.parent.name.isdecimal()
    )


def _version(folder: Path, number: int, contexts: Path) -> ModelVersion:
    version = folder / "versions" / str(number)
    manifest = Manifest.load(version)
    check_limits(manifest)
    check_proof(manifest)
    context = contexts / f"{manifest.name}-{manifest.version}-{manifest.resources.architecture}"
    for path in (context / "Dockerfile", version / GOLDEN, version / PASSPORT):
        if not path.is_file():
            raise NotBuilt(f"{path} is missing: make it with `{BUILD}`")
    return ModelVersion(manifest, context, version / GOLDEN)


def check_proof(manifest: Manifest) -> None:
    """Refuse a version that was not proven.

    Raises:
        ModelRefused: Its passport failed, and nobody accepted that.
    """
    if not manifest.is_proven:
        raise ModelRefused(
            f"{manifest.name}@{manifest.version}: its passport says that it did not pass: see"
            f" `modelet show {manifest.name}@{manifest.version}`"
        )


def check_limits(manifest: Manifest) -> None:
    """Refuse what Lambda refuses, before anything is deployed.

    Raises:
        ModelRefused: A resource is outside Lambda's limits, or two exclude each other.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html and
        https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
    """
    wanted = manifest.resources
    checks: Sequence[tuple[bool, str]] = (
        (manifest.target == "cpu", f"target: '{manifest.target}' cannot be deployed yet"),
        (128 <= wanted.memory_mib <= 10_240, "memory_mib: Lambda has 128 to 10240"),
        (1 <= wanted.timeout_s <= 900, "timeout_s: Lambda has 1 to 900"),
        (512 <= wanted.ephemeral_storage_mib <= 10_240, "ephemeral_storage_mib: Lambda has 512 to 10240"),
        (wanted.architecture in ("x86_64", "arm64"), "architecture: Lambda has x86_64 and arm64"),
        (
            not (wanted.snap_start and wanted.provisioned_concurrency),
            "snap_start and provisioned_concurrency exclude each other",
        ),
        (
            not (wanted.snap_start and wanted.ephemeral_storage_mib > 512),
            "snap_start needs ephemeral_storage_mib = 512",
        ),
        (
            wanted.max_concurrency is None or wanted.provisioned_concurrency <= wanted.max_concurrency,
            "provisioned_concurrency is above max_concurrency",
        ),
        (1 <= wanted.canary_percent <= 99, "canary_percent: CodeDeploy has 1 to 99"),
        (0 <= wanted.canary_minutes <= 2880, "canary_minutes: CodeDeploy has up to 2880"),
    )
    for holds, complaint in checks:
        if not holds:
            raise ModelRefused(f"{manifest.name}@{manifest.version}: {complaint}")
