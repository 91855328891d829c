"""`[resources]`: what the function gets."""

from typing import Literal, Self

from pydantic import Field, model_validator

from modelet.recipe.section import Section
from modelet_runtime import manifest

_DEFAULTS = manifest.Resources()


class Resources(Section):
    """What the function gets; the names and limits are Lambda's."""

    memory_mib: int = Field(
        default=_DEFAULTS.memory_mib, ge=128, le=10240, description="128 to 10240; one vCPU for each 1769."
    )
    timeout_s: int = Field(
        default=_DEFAULTS.timeout_s, ge=1, le=900, description="1 to 900; API Gateway waits 30 at most."
    )
    ephemeral_storage_mib: int = Field(
        default=_DEFAULTS.ephemeral_storage_mib, ge=512, le=10240, description="512 to 10240, at /tmp."
    )
    architecture: Literal["x86_64", "arm64"] = Field(
        default="x86_64", description="x86_64 or arm64, which costs 20% less."
    )
    max_concurrency: int | None = Field(
        default=None, ge=1, examples=[10], description="Environments at once; without it the account's limit."
    )
    snap_start: bool = Field(
        default=_DEFAULTS.snap_start, description="Whether published versions are snapshotted after init."
    )
    provisioned_concurrency: int = Field(
        default=_DEFAULTS.provisioned_concurrency,
        ge=0,
        description="Environments kept warm; needs snap_start = false.",
    )
    canary_percent: int = Field(
        default=_DEFAULTS.canary_percent,
        ge=1,
        le=99,
        description="Share of the requests that a new version gets first.",
    )
    canary_minutes: int = Field(
        default=_DEFAULTS.canary_minutes,
        ge=0,
        le=2880,
        description="How long it keeps that share before it gets all; 0 shifts all at once.",
    )
    alarm_error_percent: float = Field(
        default=_DEFAULTS.alarm_error_percent,
        ge=0,
        le=100,
        description="Share of failed requests above which the alarm rings and a canary rolls back.",
    )
    alarm_p99_ms: int | None = Field(
        default=None,
        ge=1,
        examples=[500],
        description="99th percentile of the duration above which it does; without it 80% of the timeout.",
    )

    @model_validator(mode="after")
    def _check_warm_start(self) -> Self:
        if self.snap_start and self.provisioned_concurrency:
            raise ValueError("provisioned_concurrency and snap_start exclude each other on Lambda")
        return self

    def to_manifest(self) -> manifest.Resources:
        """The resources as the manifest holds them."""
        return manifest.Resources(**self.model_dump())
