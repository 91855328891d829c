"""`[export]`: what a framework's model does not say itself."""

from typing import Annotated, Literal

from pydantic import Field

from modelet.recipe.section import Section

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "BF16", "FP32", "FP64",
]  # fmt: skip


class ExportInput(Section):
    """One argument of a module's `forward`."""

    name: str
    datatype: Datatype
    shape: list[int | str]


class Export(Section):
    """What a framework's model does not say itself: PyTorch modules need inputs, or return an example."""

    inputs: list[ExportInput] = Field(
        default_factory=list,
        examples=[[{"name": "token_ids", "datatype": "INT64", "shape": ["batch", "sequence"]}]],
        description="The arguments of forward, in order, with the names they get in the graph. Names in a"
        " shape are variable axes; the first should be the batch.",
    )
    outputs: list[str] = Field(
        default_factory=list,
        examples=[["embedding"]],
        description="Names of the outputs, in order. Without it the model's own.",
    )
    axes: dict[str, Annotated[int, Field(ge=2)]] = Field(
        default_factory=dict,
        examples=[{"height": 224}],
        description="How long a variable axis is in the example that is traced.",
    )
    opset: int | None = Field(
        default=None,
        ge=13,
        examples=[20],
        description="ONNX's operator set. Without it the exporter's choice.",
    )
