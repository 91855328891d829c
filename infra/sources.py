"""Where the app finds what it deploys."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sources:
    """The folders of a checkout.

    Attributes:
        root: The checkout.
    """

    root: Path

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
    def runtime_layer(self) -> Path:
        """The package that all functions share."""
        return self.root / "layers" / "runtime"

    @property
    def requirements(self) -> Path:
        """What ships beside it, pinned."""
        return self.runtime_layer / "requirements.txt"

    @property
    def contexts(self) -> Path:
        """The build contexts of the images, made by `modelet image --context`."""
        return self.root / "layers" / ".build" / "images"

    @property
    def wheels(self) -> Path:
        """The wheels of the runtime layer, fetched by `modelet layer`."""
        return self.root / "layers" / ".build" / "wheels"

    @property
    def cdk_json(self) -> Path:
        """The CLI's settings, and the feature flags of the CDK."""
        return self.root / "cdk.json"
