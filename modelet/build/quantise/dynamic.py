"""Weights in int8 per channel, activations quantised in every run to the range they have then."""

from collections.abc import Collection

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.quant_utils import QuantizationMode

from modelet.build.quantise.engine import quiet
from modelet.build.quantise.gemm import split_gemms
from modelet.build.quantise.graph import GraphIndex, copy
from modelet.build.quantise.overrides import weight_overrides
from modelet.build.quantise.saturation import Guard

_OPERATORS = ["Conv", "LSTM", "MatMul"]
_ONE_SCALE = frozenset({"Conv"})  # ConvInteger


def quantise_dynamic(
    model: onnx.ModelProto, nodes: Collection[str], guard: Guard = "pairs"
) -> onnx.ModelProto:
    """Quantise with ONNX Runtime's own quantiser.

    Args:
        model: A prepared graph.
        nodes: Names of the nodes to quantise, as `targets.dynamic` gives them.
        guard: How weights are kept from saturating.
    """
    if not nodes:
        return copy(model)
    split = split_gemms(model)
    guarded = weight_overrides(GraphIndex(split), nodes, _ONE_SCALE) if guard == "pairs" else {}
    with quiet():
        quantiser = ONNXQuantizer(
            split,
            True,  # per channel
            guard == "7bit",
            QuantizationMode.IntegerOps,
            False,  # not static
            QuantType.QInt8,
            QuantType.QUInt8,
            None,
            sorted(nodes),
            [],
            _OPERATORS,
            {"MatMulConstBOnly": True, "TensorQuantOverrides": guarded},
        )
        quantiser.quantize_model()
    quantised: onnx.ModelProto = quantiser.model.model
    return quantised
