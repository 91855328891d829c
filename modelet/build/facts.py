"""Facts read from a graph: its signature, operator sets and operators."""

from collections import Counter
from collections.abc import Iterable

import onnx

from modelet.build import walk
from modelet_runtime.manifest import Graph, Signature, TensorSpec
from modelet_runtime.tensor import BY_ONNX_TYPE

DEFAULT_DOMAIN = "ai.onnx"


def signature(model: onnx.ModelProto) -> Signature:
    """The inputs and outputs of a checked model; -1 stands for a variable axis."""
    return Signature(_specs(model.graph.input), _specs(model.graph.output))


def graph(model: onnx.ModelProto, precision: str) -> Graph:
    """Operator set versions by domain, and how many nodes there are of each operator."""
    opsets = {entry.domain or DEFAULT_DOMAIN: entry.version for entry in model.opset_import}
    operators = Counter(_operator(node) for node in walk.nodes(model))
    return Graph(dict(sorted(opsets.items())), dict(sorted(operators.items())), precision)


def complete_outputs(model: onnx.ModelProto, ranks: Iterable[int]) -> None:
    """Give outputs of unknown rank a shape of variable axes, in place.

    A graph may leave out its outputs' shapes, and shape inference cannot always find them.

    Args:
        model: The model.
        ranks: The rank of every output, as seen when it ran.
    """
    for value, rank in zip(model.graph.output, ranks, strict=True):
        if not value.type.tensor_type.HasField("shape"):
            for axis in range(rank):
                value.type.tensor_type.shape.dim.add().dim_param = f"{value.name}_{axis}"
            value.type.tensor_type.shape.SetInParent()


def infer_outputs(model: onnx.ModelProto) -> None:
    """Take over the outputs' shapes that shape inference finds, in place."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for value, found in zip(model.graph.output, inferred.graph.output, strict=True):
        if not value.type.tensor_type.HasField("shape") and found.type.tensor_type.HasField("shape"):
            value.type.tensor_type.shape.CopyFrom(found.type.tensor_type.shape)


def _specs(values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            value.name,
            BY_ONNX_TYPE[value.type.tensor_type.elem_type].name,
            tuple(
                dim.dim_value if dim.HasField("dim_value") else -1 for dim in value.type.tensor_type.shape.dim
            ),
        )
        for value in values
    )


def _operator(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in {"", DEFAULT_DOMAIN} else f"{node.domain}.{node.op_type}"
