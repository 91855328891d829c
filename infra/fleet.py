"""The models to deploy, read from their aliases, their manifests and the build contexts made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.errors import ModelRefused, NotBuilt
from infra.routes import Route, label_routes, model_routes
from modelet_runtime.aliases import CANARY, FILE_NAME, LIVE, PINNED, Aliases
from modelet_runtime.manifest import Endpoint, Manifest

GPU = "gpu"
GOLDEN = "golden.json"
PASSPORT = "passport.json"
# Triton's model repository of a version for a GPU.
REPOSITORY = "triton"
BUILD = "modelet build && modelet image --context --all"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model as the toolchain left it.

    Attributes:
        alias: What it is called by: `live`, `canary` or `pinned`.
        manifest: What it is.
        context: The folder its image is built from.
        golden: Inputs with the outputs expected of them.
    """

    alias: str
    manifest: Manifest
    context: Path
    golden: Path

    @property
    def endpoint(self) -> Endpoint | None:
        """What runs the graph; None where the function does."""
        return (self.manifest.endpoint or Endpoint()) if self.manifest.target == GPU else None

    @property
    def repository(self) -> Path:
        """What the endpoint's server is started over."""
        return self.golden.parent / REPOSITORY

    @property
    def number(self) -> int:
        """The version's number."""
        return self.manifest.version

    def routes(self) -> tuple[Route, ...]:
        """The routes that reach its function."""
        name = self.manifest.name
        if self.alias == LIVE:
            return model_routes(name)
        labels = label_routes(name, CANARY) if self.alias == CANARY else ()
        return (*model_routes(name, self.number), *labels)


@dataclass(frozen=True, slots=True)
class FleetModel:
    """One model.

    Attributes:
        live: The version that answers whoever names none.
        beside: Those that answer who names them: the canary, and what is pinned.
    """

    live: ModelVersion
    beside: tuple[ModelVersion, ...] = ()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.live.manifest.name

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """All that are deployed, live last."""
        return (*self.beside, self.live)

    def routes(self) -> list[Route]:
        """All routes that reach one of its functions."""
        return [route for version in self.versions for route in version.routes()]


def read(models: Path, contexts: Path, only_built: bool = False) -> tuple[FleetModel, ...]:
    """All models below `models` that have a version, by name.

    Args:
        models: The folder of the models.
        contexts: The build contexts of their images.
        only_built: Whether a model is left out that is not built here, where it would be refused: to see
            the stacks of the others. What is deployed would lose its routes.

    Raises:
        ArtifactError: An `aliases.toml` or a manifest is wrong.
        ModelRefused: An alias is at a version that is not there or not proven, or a manifest asks for what
            Lambda does not give.
        NotBuilt: A build context is missing.
    """
    folders = sorted(path.parent for path in models.glob("*/versions") if path.is_dir())
    found = []
    for folder in folders:
        if _numbers(folder):
            try:
                found.append(_read(folder, contexts))
            except NotBuilt:
                if not only_built:
                    raise
    return tuple(found)


def _read(folder: Path, contexts: Path) -> FleetModel:
    aliases = Aliases.load(folder) or _default(folder)
    wanted = dict.fromkeys(aliases.pinned, PINNED)
    if aliases.canary:
        wanted[aliases.canary.version] = CANARY
    wanted.pop(aliases.live, None)
    live = _version(folder, LIVE, aliases.live, contexts)
    return FleetModel(live, tuple(_version(folder, wanted[n], n, contexts) for n in sorted(wanted)))


def _default(folder: Path) -> Aliases:
    """Without a file the highest proven version is live; if there is none, the highest, to be refused."""
    numbers = _numbers(folder)
    proven = (n for n in reversed(numbers) if Manifest.load(folder / "versions" / str(n)).is_proven)
    return Aliases(next(proven, numbers[-1]))


def _numbers(folder: Path) -> list[int]:
    """The built versions of a model, lowest first."""
    return sorted(
        int(path.parent.name)
        for path in folder.glob("versions/*/manifest.json")
        if path.parent.name.isdecimal()
    )


def _version(folder: Path, alias: str, number: int, contexts: Path) -> ModelVersion:
    numbers = _numbers(folder)
    if number not in numbers:
        raise ModelRefused(
            f"{folder.name}: {FILE_NAME}: {alias} is version {number}, and there are"
            f" {', '.join(map(str, numbers))}: move it with `modelet promote {folder.name} VERSION`"
        )
    version = folder / "versions" / str(number)
    manifest = Manifest.load(version)
    context = contexts / f"{manifest.name}-{manifest.version}-{manifest.resources.architecture}"
    repository = [version / REPOSITORY / manifest.name] if manifest.target == GPU else []
    for path in (context / "Dockerfile", version / GOLDEN, version / PASSPORT, *repository):
        if not path.exists():
            raise NotBuilt(f"{path} is missing: make it with `{BUILD}`")
    check_limits(manifest)
    check_proof(manifest)
    return ModelVersion(alias, manifest, context, version / GOLDEN)


def check_proof(manifest: Manifest) -> None:
    """Refuse a version that was not proven.

    Raises:
        ModelRefused: Its passport failed, and nobody accepted that.
    """
    if not manifest.is_proven:
        raise ModelRefused(
            f"{manifest.name}@{manifest.version}: its passport says that it did not pass: see"
            f" `modelet show {manifest.name}@{manifest.version}`, and choose another with"
            f" `modelet promote {manifest.name} VERSION` or `modelet rollback {manifest.name}`"
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
