"""Weights in int8 per channel, activations quantised in every run to the range they have then."""

from collections.abc import Collection

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.quant_utils import QuantizationMode

from modelet.build.quantise.engine import quiet
from modelet.build.quantise.gemm import split_gemms
from modelet.build.quantise.graph import copy

_OPERATORS = ["Conv", "LSTM", "MatMul"]


def quantise_dynamic(
    model: onnx.ModelProto, nodes: Collection[str], seven_bit: bool = False
) -> onnx.ModelProto:
    """Quantise with ONNX Runtime's own quantiser.

    Args:
        model: A prepared graph.
        nodes: Names of the nodes to quantise, as `targets.dynamic` gives them.
        seven_bit: Whether weights keep 7 bits, with which no x86 CPU saturates.
    """
    if not nodes:
        return copy(model)
    with quiet():
        quantiser = ONNXQuantizer(
            split_gemms(model),
            True,  # per channel
            seven_bit,
            QuantizationMode.IntegerOps,
            False,  # not static
            QuantType.QInt8,
            QuantType.QUInt8,
            None,
            sorted(nodes),
            [],
            _OPERATORS,
            {"MatMulConstBOnly": True},
        )
        quantiser.quantize_model()
    quantised: onnx.ModelProto = quantiser.model.model
    return quantised
