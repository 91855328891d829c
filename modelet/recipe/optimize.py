"""`[optimize]`: how the graph is made smaller and faster, and what that may cost in accuracy."""

from typing import Literal

from pydantic import Field

from modelet.recipe.section import Section


class Accuracy(Section):
    """What answers may lose when the graph is made smaller."""

    metric: Literal["top1_agreement", "cosine", "max_abs_diff", "accuracy_drop"]
    limit: float | None = Field(default=None, ge=0)


class Exclude(Section):
    """What stays in floating point."""

    nodes: list[str] = Field(default_factory=list)
    operators: list[str] = Field(default_factory=list)


class Optimize(Section):
    """How the graph is made smaller and faster."""

    precision: Literal[
        "auto", "fp32", "fp16", "int8-dynamic", "int8-static", "int8-weights", "int4-weights"
    ] = Field(
        default="auto",
        description="What the weights are stored as: fp32, fp16, int8-dynamic, int8-static, int8-weights or"
        " int4-weights; auto measures all that fit on the samples of [golden] and takes the best of those"
        " that are within the bound. Without samples auto is fp32.",
    )
    prune: float = Field(
        default=0.0,
        ge=0,
        le=0.95,
        description="Share of each tensor's weights, the smallest ones, to set to zero: images get smaller.",
    )
    calibration: Literal["auto", "minmax", "percentile", "entropy", "mse"] = Field(
        default="auto",
        description="How int8-static finds the ranges of activations: minmax, percentile, entropy or mse;"
        " auto tries them all.",
    )
    calibration_samples: int = Field(
        default=64, ge=1, description="How many samples calibrate; the others judge."
    )
    percentile: float = Field(
        default=99.99, ge=90, lt=100, description="How much of an activation calibration percentile keeps."
    )
    accuracy: Accuracy | None = Field(
        default=None,
        examples=[{"metric": "top1_agreement", "limit": 0.99}],
        description="What answers may lose: top1_agreement and cosine with the original's at least limit,"
        " max_abs_diff from them or accuracy_drop against the targets at most. Without it what suits the"
        " outputs.",
    )
    exclude: Exclude = Field(
        default_factory=Exclude,
        examples=[{"nodes": ["head_*"], "operators": ["Gemm"]}],
        description="What stays in floating point: nodes by name, with * and ?, and operators.",
    )
    budget_s: int = Field(default=60, ge=1, description="Seconds after which no further candidate is begun.")
