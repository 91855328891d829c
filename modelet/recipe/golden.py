"""`[golden]`: what the model is proven on."""

from typing import Self

from pydantic import Field, model_validator

from modelet.recipe.section import Section


class Golden(Section):
    """Where the real inputs of the proof come from, and how near the artifact must be."""

    samples: str | None = Field(
        default=None,
        examples=["train.py:samples"],
        description="A function of this folder (train.py:samples) that returns a list of inputs, or a glob"
        " of files (samples/*.png) that go through the input steps. Without it: seeded random inputs.",
    )
    targets: str | None = Field(
        default=None,
        examples=["train.py:targets"],
        description="A function of this folder that returns the right answer to each of the samples, a"
        " class's number or label; accuracy is then measured against these.",
    )
    rtol: float = Field(default=1e-3, ge=0, description="Allowed relative difference from the original.")
    atol: float = Field(default=1e-4, ge=0, description="Allowed absolute difference from the original.")

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        if self.targets and not self.samples:
            raise ValueError("targets are the answers to samples, which are missing")
        return self
