"""Weights and activations in int8, on calibrated ranges; in QDQ form, which fuses to int8 kernels."""

from collections.abc import Collection
from typing import Literal

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from modelet.build.quantise.bytes_in import byte_ranges, keep_bytes
from modelet.build.quantise.calibrate import Ranges
from modelet.build.quantise.engine import quiet
from modelet.build.quantise.graph import GraphIndex, copy, drop_unused_initializers, sort_nodes
from modelet.build.quantise.overrides import weight_overrides
from modelet.build.quantise.saturation import Guard
from modelet.build.quantise.targets import REMOVABLE

Architecture = Literal["x86_64", "arm64"]

# x86 multiplies unsigned activations with signed weights, ARM signed with signed.
# Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
_ACTIVATIONS = {"x86_64": QuantType.QUInt8, "arm64": QuantType.QInt8}
_FLOAT_OUTPUT = frozenset({"Gemm", "MatMul"})


def activations(model: onnx.ModelProto, nodes: Collection[str]) -> list[str]:
    """The activations whose ranges `quantise_static` needs for these nodes."""
    index = GraphIndex(model)
    touched = (name for node in nodes for name in (*index.nodes[node].input, *index.nodes[node].output))
    return [name for name in dict.fromkeys(touched) if index.is_float_activation(name)]


def quantise_static(
    model: onnx.ModelProto,
    nodes: Collection[str],
    ranges: Ranges,
    architecture: Architecture = "x86_64",
    guard: Guard = "pairs",
) -> onnx.ModelProto:
    """Quantise with ONNX Runtime's own quantiser, weights per channel.

    Args:
        model: A prepared graph.
        nodes: Names of the nodes to quantise, as `targets.static` gives them.
        ranges: The range of every activation they touch.
        architecture: What the function runs on.
        guard: How weights are kept from saturating.
    """
    if not nodes:
        return copy(model)
    index = GraphIndex(model)
    chosen = _without_idle_activations(index, nodes)
    needed = activations(model, nodes)
    own = byte_ranges(model, needed) if architecture == "x86_64" else {}
    found = {**ranges, **own}
    bounds = {name: tuple(np.array(bound, np.float32) for bound in found[name]) for name in needed}
    guarded = weight_overrides(index, nodes) if guard == "pairs" else {}
    with quiet():
        quantiser = QDQQuantizer(
            copy(model),
            True,  # per channel
            guard == "7bit",
            QuantType.QInt8,
            _ACTIVATIONS[architecture],
            TensorsData(CalibrationMethod.MinMax, bounds),
            sorted(chosen),
            [],
            sorted({node.op_type for node in model.graph.node if node.name in chosen}),
            {"ForceQuantizeNoInputCheck": True, "TensorQuantOverrides": guarded},
        )
        quantised: onnx.ModelProto = quantiser.quantize_model()
    _keep_float_outputs(quantised, chosen)
    sort_nodes(quantised)
    if own:
        keep_bytes(quantised)
    return quantised


def _without_idle_activations(index: GraphIndex, nodes: Collection[str]) -> set[str]:
    """The nodes without each activation that stands between a matrix product and floats.

    Such a product gives floats. The quantiser would drop the activation, for the integers that it thinks
    are behind the product cannot be outside of the activation's range.
    """
    chosen = set(nodes)
    for name in nodes:
        node = index.nodes[name]
        maker = index.producers.get(node.input[0])
        if node.op_type in REMOVABLE and maker is not None and maker.op_type in _FLOAT_OUTPUT:
            takers = index.consumers.get(node.output[0], [])
            if not any(taker.name in chosen for taker in takers):
                chosen.discard(name)
    return chosen


def _keep_float_outputs(model: onnx.ModelProto, chosen: Collection[str]) -> None:
    """Give a matrix product's floats on as they are where only floats are wanted, in place.

    Its kernel can answer in floating point, so rounding them to 8 bits first would only lose.
    """
    index = GraphIndex(model)
    dropped: set[str] = set()
    for node in model.graph.node:
        pair = _rounding(index, node) if node.name in chosen and node.op_type in _FLOAT_OUTPUT else None
        if pair is None or any(taker.name in chosen for taker in index.consumers.get(pair[1].output[0], [])):
            continue
        quantise, dequantise = pair
        if dequantise.output[0] not in index.outputs:
            for taker in index.consumers.get(dequantise.output[0], []):
                _rename(taker, dequantise.output[0], node.output[0])
        else:
            node.output[0] = dequantise.output[0]
        dropped |= {quantise.name, dequantise.name}
    kept = [
        onnx.NodeProto.FromString(n.SerializeToString()) for n in model.graph.node if n.name not in dropped
    ]
    model.graph.ClearField("node")
    model.graph.node.extend(kept)
    drop_unused_initializers(model)


def _rounding(index: GraphIndex, node: onnx.NodeProto) -> tuple[onnx.NodeProto, onnx.NodeProto] | None:
    """The QuantizeLinear and DequantizeLinear right behind a node, if nothing else takes its output."""
    quantise = index.sole_consumer(node.output[0])
    if quantise is None or quantise.op_type != "QuantizeLinear":
        return None
    dequantise = index.sole_consumer(quantise.output[0])
    return (
        (quantise, dequantise)
        if dequantise is not None and dequantise.op_type == "DequantizeLinear"
        else None
    )


def _rename(node: onnx.NodeProto, old: str, new: str) -> None:
    for position, name in enumerate(node.input):
        if name == old:
            node.input[position] = new
