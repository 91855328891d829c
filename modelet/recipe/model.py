"""`[model]`: what the model is and where it comes from."""

from typing import Literal

from pydantic import Field, field_validator

from modelet.recipe.names import NAME_LIMIT
from modelet.recipe.section import Section


class Model(Section):
    """What the model is and where it comes from."""

    name: str = Field(
        max_length=NAME_LIMIT,
        description="The folder's name, <domain>_<task>: routes, functions and metrics use it.",
    )
    description: str = Field(default="", description="One sentence for people.")
    source: str = Field(
        description="An ONNX file of this folder (model.onnx), of an installed package"
        " (pkg:<package>/<path>), or a function of this folder that returns a model of any framework"
        " (train.py:build). PyTorch: also an exported program (.pt2), or weights (.safetensors, .pt, .pth)"
        " with module. Keras: a model (.keras), or weights (.weights.h5) with module. TensorFlow: the"
        " saved_model.pb of a SavedModel's folder."
    )
    module: str | None = Field(
        default=None,
        examples=["model.py:make"],
        description="A function of this folder that returns the module whose weights the source holds, or"
        " whose state dict it returns.",
    )
    unused_weights: list[str] = Field(
        default_factory=list,
        examples=[["pooler.*"]],
        description="Weights of the source that the module does not have; * stands for anything.",
    )
    target: Literal["cpu", "gpu", "auto"] = Field(
        default="cpu",
        description="Who runs the graph: the function itself (cpu) or a GPU endpoint (gpu). auto decides it"
        " when the model is built, by deadline_ms and expected_rps of [endpoint].",
    )
    labels: str | list[str] = Field(
        default_factory=list,
        examples=["labels.txt"],
        description="Class names by index: a list, or a file with one per line or a JSON list.",
    )
    assets: list[str] = Field(
        default_factory=list,
        examples=[["vocabulary.txt"]],
        description="Files that hooks read, of this folder or pkg:<package>/<path>; they ship with it.",
    )
    hooks: str | None = Field(
        default=None,
        examples=["hooks.py"],
        description="A Python file with the class Hooks, for what no step does; used by the step hook.",
    )

    @field_validator("labels", mode="before")
    @classmethod
    def _check_labels(cls, value: object) -> object:
        if isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            return value
        raise ValueError("expected a file's name or a list of names")
