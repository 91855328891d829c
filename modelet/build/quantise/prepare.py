"""The graph as quantisers want it: folded and fused by ONNX Runtime, every node named, every tensor typed.

The order matters. ONNX Runtime's *basic* level folds constants and batch normalisation and keeps standard
operators. Its *extended* level makes operators such as FusedConv and Attention that have no integer
kernel, so it runs only after quantising, when the artifact is saved.
"""

import onnx
from onnx import helper, version_converter

from modelet.build.quantise.engine import Binding, folded, quiet
from modelet.build.quantise.graph import copy

# DequantizeLinear takes a scale per channel from here on.
# Source: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
LEAST_OPSET = 13
_ELEMENT_TYPES = {
    "float": onnx.TensorProto.FLOAT,
    "float16": onnx.TensorProto.FLOAT16,
    "double": onnx.TensorProto.DOUBLE,
    "bool": onnx.TensorProto.BOOL,
    "string": onnx.TensorProto.STRING,
    **{
        f"{sign}int{bits}": getattr(onnx.TensorProto, f"{sign.upper()}INT{bits}")
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}
# ONNX Runtime's quantisers look for this entry before they infer shapes by way of temporary files.
_INFERRED = ("onnx.infer", "onnxruntime.quant")


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """A new model with the same answers.

    Args:
        model: A checked graph.
    """
    prepared = _modern(folded(model))
    _name_nodes(prepared)
    _type_tensors(prepared)
    entry = prepared.metadata_props.add()
    entry.key, entry.value = _INFERRED
    return prepared


def _modern(model: onnx.ModelProto) -> onnx.ModelProto:
    version = next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
    if version >= LEAST_OPSET:
        return model
    with quiet():
        return version_converter.convert_version(model, LEAST_OPSET)


def _name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own: they are left out, measured and reported by it."""
    taken: set[str] = set()
    for node in model.graph.node:
        stem = node.name or f"{node.op_type}_{node.output[0]}"
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        node.name = name
        taken.add(name)


def _type_tensors(model: onnx.ModelProto) -> None:
    """Write down the type of every tensor, in place.

    ONNX Runtime knows them all, also those of operators that ONNX's own inference and the symbolic one
    give up on; it tells those of a graph's outputs, so every tensor becomes one for a moment.
    """
    probe = copy(model)
    known = {value.name for value in probe.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in known:
                probe.graph.output.append(onnx.ValueInfoProto(name=name))
    outputs = {value.name for value in model.graph.output}
    model.graph.ClearField("value_info")
    for name, (kind, shape) in Binding(probe).types.items():
        element = _ELEMENT_TYPES.get(kind.removeprefix("tensor(").removesuffix(")"))
        if name not in outputs and element is not None:
            # The binding gives [] both for a scalar and for a shape that nobody knows.
            model.graph.value_info.append(helper.make_tensor_value_info(name, element, shape or None))
