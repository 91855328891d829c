"""`[[input.steps]]` and `[[output.steps]]`: what runs before and after the model."""

from pydantic import ConfigDict, Field

from modelet.recipe.section import Section
from modelet_runtime import manifest


class Step(Section):
    """One step of `modelet_runtime.steps`; its other keys are the step's parameters."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: str

    def to_manifest(self) -> manifest.Step:
        """The step as the manifest holds it."""
        return manifest.Step(self.name, dict(self.__pydantic_extra__ or {}))


class Steps(Section):
    """Steps in the order in which they run."""

    steps: list[Step] = Field(default_factory=list, description="Each has a name and its parameters.")
