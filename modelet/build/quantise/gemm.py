"""Gemm as MatMul and Add: the methods that keep activations in floating point know only MatMul."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from modelet.build.quantise.graph import GraphIndex, attribute, copy, replace_nodes


def split_gemms(model: onnx.ModelProto) -> onnx.ModelProto:
    """A new model in which every Gemm with constant weights is a MatMul of the same name, then an Add.

    Args:
        model: A prepared graph.
    """
    split = copy(model)
    index = GraphIndex(split)
    replacements = {
        node.name: _split(index, node)
        for node in list(split.graph.node)
        if node.op_type == "Gemm" and _is_plain(index, node)
    }
    if replacements:
        replace_nodes(split, replacements)
    return split


def _is_plain(index: GraphIndex, node: onnx.NodeProto) -> bool:
    constant = [name for name in node.input[1:] if name]
    return not attribute(node, "transA", 0) and all(index.is_constant(name) for name in constant)


def _split(index: GraphIndex, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    weights = index.array(node.input[1])
    factor = _factor(node, "alpha")
    ordered = np.ascontiguousarray(weights.T if attribute(node, "transB", 0) else weights) * factor
    weight = _constant(index, f"{node.name}_weight", ordered)
    if len(node.input) < 3 or not node.input[2]:
        return [helper.make_node("MatMul", [node.input[0], weight], node.output, node.name)]
    product = f"{node.name}_product"
    bias = _constant(index, f"{node.name}_bias", index.array(node.input[2]) * _factor(node, "beta"))
    _type(index, node, product)
    return [
        helper.make_node("MatMul", [node.input[0], weight], [product], node.name),
        helper.make_node("Add", [product, bias], node.output, f"{node.name}_add"),
    ]


def _factor(node: onnx.NodeProto, name: str) -> np.float32:
    return np.float32(next((entry.f for entry in node.attribute if entry.name == name), 1.0))


def _constant(index: GraphIndex, name: str, data: "np.typing.NDArray[np.float32]") -> str:
    index.model.graph.initializer.append(numpy_helper.from_array(data.astype(np.float32), name))
    return name


def _type(index: GraphIndex, node: onnx.NodeProto, product: str) -> None:
    """The product is typed like the Gemm's output."""
    for value in (*index.model.graph.value_info, *index.model.graph.output):
        if value.name == node.output[0]:
            entry = index.model.graph.value_info.add()
            entry.CopyFrom(value)
            entry.name = product
            return
