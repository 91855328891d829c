"""Facts read from a graph: its signature, operator sets and operators."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx

from modelet.build import walk
from modelet.build.random_inputs import Ranges, first_that_runs, rows
from modelet.build.reference import ReferenceSession
from modelet.errors import GraphRefused
from modelet_runtime.manifest import Graph, Signature, TensorSpec
from modelet_runtime.tensor import BY_ONNX_TYPE, Tensor

DEFAULT_DOMAIN = "ai.onnx"


def signature(model: onnx.ModelProto) -> Signature:
    """The inputs and outputs of a checked model; -1 stands for a variable axis."""
    return Signature(_specs(model.graph.input), _specs(model.graph.output))


def graph(model: onnx.ModelProto, precision: str, grafted: Mapping[str, Any] | None = None) -> Graph:
    """Operator set versions by domain, and how many nodes there are of each operator.

    Args:
        model: The optimised graph.
        precision: What its weights are stored as.
        grafted: The steps of the recipe that are part of it.
    """
    opsets = {entry.domain or DEFAULT_DOMAIN: entry.version for entry in model.opset_import}
    operators = Counter(_operator(node) for node in walk.nodes(model))
    return Graph(
        dict(sorted(opsets.items())), dict(sorted(operators.items())), precision, grafted=dict(grafted or {})
    )


def settle_outputs(model: onnx.ModelProto) -> None:
    """Make the declared shapes of the outputs those that the graph gives, in place.

    A graph may leave them out, and exporters get some of them wrong. What shape inference does not find
    is seen by running the graph once on made-up inputs; an axis that was declared otherwise is variable.

    Raises:
        GraphRefused: An output has no shape and the graph does not run on any made-up input.
    """
    _infer_outputs(model)
    inputs = _specs(model.graph.input)
    session = ReferenceSession(model.SerializeToString())

    def run(ranges: Ranges) -> list[Tensor]:
        [row] = rows(inputs, ranges, 1)
        return session.run(tuple(row.values()))

    try:
        outputs = first_that_runs(run)
    except GraphRefused as error:
        if not all(_has_shape(value) for value in model.graph.output):
            raise GraphRefused(
                f"an output has no shape, and made-up inputs do not tell: {error.reason}",
                "export it with the outputs' shapes",
            ) from error
        return
    for value, tensor in zip(model.graph.output, outputs, strict=True):
        _settle(value, tensor.shape)


def _infer_outputs(model: onnx.ModelProto) -> None:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for value, found in zip(model.graph.output, inferred.graph.output, strict=True):
        if not _has_shape(value) and _has_shape(found):
            value.type.tensor_type.shape.CopyFrom(found.type.tensor_type.shape)


def _settle(value: onnx.ValueInfoProto, actual: Sequence[int]) -> None:
    tensor_type = value.type.tensor_type
    if not _has_shape(value) or len(tensor_type.shape.dim) != len(actual):
        tensor_type.ClearField("shape")
        tensor_type.shape.SetInParent()
        for axis in range(len(actual)):
            tensor_type.shape.dim.add().dim_param = f"{value.name}_{axis}"
    for axis, (dim, size) in enumerate(zip(tensor_type.shape.dim, actual, strict=True)):
        if dim.HasField("dim_value") and dim.dim_value != size:
            dim.dim_param = f"{value.name}_{axis}"


def _has_shape(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.HasField("shape"))


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
