"""`[batch]`: how files of a bucket are inferred."""

from pydantic import Field

from modelet.recipe.section import Section
from modelet_runtime import manifest

_DEFAULTS = manifest.Batch()


class Batch(Section):
    """How files of a bucket are inferred, by a function of its own."""

    enabled: bool = Field(default=False, description="Whether the model has a batch function.")
    rows: int | None = Field(
        default=None,
        ge=1,
        examples=[64],
        description="Rows per run of the graph to begin with; without it what the build measures as best.",
    )
    failure_share: float = Field(
        default=_DEFAULTS.failure_share,
        ge=0,
        le=1,
        description="Share of failed rows above which a run stops.",
    )
    split_mib: int = Field(
        default=_DEFAULTS.split_mib, ge=5, description="Inputs above this are split over many functions."
    )
    split_s: int = Field(
        default=_DEFAULTS.split_s, ge=10, description="So are inputs that would take longer than this in one."
    )
    max_concurrency: int = Field(
        default=_DEFAULTS.max_concurrency, ge=2, le=1000, description="Functions that work at once."
    )
    memory_mib: int | None = Field(
        default=None,
        ge=512,
        le=10240,
        examples=[3538],
        description="The batch function's memory; without it that of [resources].",
    )
    timeout_s: int = Field(
        default=_DEFAULTS.timeout_s,
        ge=60,
        le=900,
        description="The longest one invocation may take; a run goes on in the next.",
    )

    def to_manifest(self) -> manifest.Batch:
        """The settings as the manifest holds them."""
        return manifest.Batch(**self.model_dump(exclude={"enabled"}))
