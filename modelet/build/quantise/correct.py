"""Takes the mean error of rounded weights out of the biases: for free at run time, and often decisive.

Rounding weights shifts the mean of every output channel by the rounding error times the mean input. Nothing
averages that out in a depthwise convolution, whose channels have nine weights each, and it adds up over
layers.

Source: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction, ICCV 2019
"""

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from modelet.build.quantise.graph import GraphIndex, attribute, copy
from modelet.build.quantise.saturation import LEVELS, Guard, channel_limits, channels

Means = Mapping[str, npt.NDArray[np.float64]]

_CORRECTED = frozenset({"Conv", "Gemm"})


def correct_biases(
    model: onnx.ModelProto, nodes: Collection[str], means: Means, guard: Guard
) -> onnx.ModelProto:
    """A new model, still in floating point, whose biases make up for what rounding its weights will do.

    Args:
        model: A prepared graph.
        nodes: The nodes whose weights will be rounded per channel.
        means: The mean of each activation per channel.
        guard: How the weights will be kept from saturating.
    """
    corrected = copy(model)
    index = GraphIndex(corrected)
    for name in nodes:
        node = index.nodes[name]
        mean = means.get(node.input[0])
        if node.op_type in _CORRECTED and mean is not None and not attribute(node, "transA", 0):
            _shift_bias(index, node, _mean_error(index, node, mean, guard))
    return corrected


def _mean_error(
    index: GraphIndex, node: onnx.NodeProto, mean: npt.NDArray[np.float64], guard: Guard
) -> npt.NDArray[np.float64]:
    """How far the mean of each output channel will move."""
    rows = channels(index, node, 1).astype(np.float64)
    scales = channel_limits(index, node, 1, guard).astype(np.float64)[:, None] / LEVELS[guard]
    error = np.rint(rows / scales) * scales - rows
    groups = attribute(node, "group", 1)
    depth = len(mean) // groups  # channels lie innermost, so the positions before them are summed over
    per_channel = error.reshape(groups, -1, error.shape[1] // depth, depth).sum(axis=2)
    return np.asarray(np.einsum("goi,gi->go", per_channel, mean.reshape(groups, -1)).reshape(-1))


def _shift_bias(index: GraphIndex, node: onnx.NodeProto, error: npt.NDArray[np.float64]) -> None:
    has_bias = len(node.input) > 2 and bool(node.input[2])
    bias = index.array(node.input[2]).reshape(-1) if has_bias else np.zeros(len(error), np.float32)
    name = f"{node.name}_corrected_bias"
    shifted = (np.broadcast_to(bias, error.shape) - error).astype(np.float32)
    index.model.graph.initializer.append(numpy_helper.from_array(shifted, name))
    if len(node.input) > 2:
        node.input[2] = name
    else:
        node.input.append(name)
