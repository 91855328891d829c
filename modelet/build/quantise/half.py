"""Floats of 16 bits, for engines that compute in them; a CPU would only convert back and forth."""

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from modelet.build.quantise.engine import quiet
from modelet.build.quantise.graph import copy

# Their range is 16-bit floats' weakness: sums over a whole axis and exponentials stay as they are.
_KEPT = ("Exp", "LayerNormalization", "Pow", "ReduceMean", "ReduceSum", "Softmax")


def halve(model: onnx.ModelProto, left_out: tuple[str, ...] = ()) -> onnx.ModelProto:
    """A new model with 16-bit weights and activations; inputs and outputs keep their datatype.

    Args:
        model: A prepared graph.
        left_out: Names of nodes that stay in 32 bits.
    """
    with quiet():
        halved: onnx.ModelProto = convert_float_to_float16(
            copy(model),
            keep_io_types=True,
            disable_shape_infer=True,
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_KEPT],
            node_block_list=list(left_out),
        )
        # The casts are added behind all else, and a graph's nodes stand in the order they run in.
        OnnxModel.graph_topological_sort(halved.graph, is_deterministic=True)
    return halved
