"""Where the app finds what it deploys."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sources:
    """The folders of a checkout.

    Attributes:
        root: The checkout.
        only_built: Whether models that are not built here are left out.
    """

    root: Path
    only_built: bool = False

    @classmethod
    def of_this_checkout(cls) -> "Sources":
        """The checkout this package lies in."""
        return cls(Path(__file__).resolve().parents[1])

    @property
    def models(self) -> Path:
        """One folder per model, with its built versions."""
        return self.root / "model_artifacts"

    @property
    def functions(self) -> Path:
        """One folder per function."""
        return self.root / "functions"

    @property
    def contexts(self) -> Path:
        """The build contexts of the images, made by `modelet image --context`."""
        return self.root / "layers" / ".build" / "images"

    @property
    def distributed_map(self) -> Path:
        """The state machine of big inputs."""
        return self.functions / "batch" / "distributed_map.asl.json"

    def catalog(self, architecture: str) -> Path:
        """The files of the catalog function, made by `modelet image --context --all`."""
        return self.root / "layers" / ".build" / f"catalog-{architecture}" / "var" / "task"

    @property
    def cdk_json(self) -> Path:
        """The CLI's settings, and the feature flags of the CDK."""
        return self.root / "cdk.json"
