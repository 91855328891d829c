"""Weights that give the same answers on every x86 CPU.

Without VNNI, x86 multiplies unsigned activations with signed weights two by two and adds each pair into 16
bits, which overflows: 255 * 127 + 255 * 127 is 64770, and 32767 is stored. The answers are then wrong on
some of the machines that a function may run on, and only there. Keeping weights to 7 bits
(`reduce_range`) avoids it at the price of half the resolution of every channel.

Here each channel keeps as much as its own pairs allow: its scale is the least with which no two weights
that are added together can pass 128. In most channels that costs little, since their largest weights
are not neighbours. A depthwise convolution has no pairs: its kernel widens before it adds.

Source: https://www.intel.com/content/www/us/en/docs/onednn/developer-guide-reference/current/nuances-of-int8-computations.html
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx

from modelet.build.quantise.graph import Floats, GraphIndex, attribute

# How weights are kept from saturating: by their pairs, by 7 bits for all, or not at all.
Guard = Literal["pairs", "7bit", "none"]

LEVELS: dict[Guard, int] = {"pairs": 127, "7bit": 64, "none": 127}
_LARGEST_SAFE_SUM = 128  # 255 * 128 = 32640, and 32767 is the largest number of 16 bits
_RECURRENT_WEIGHTS = (1, 2)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How many pairs of weights would overflow if nothing guarded them.

    Attributes:
        pairs: Pairs that are added in 16 bits on a CPU without VNNI.
        unsafe: Those that overflow if both activations are at their largest.
    """

    pairs: int
    unsafe: int

    def __add__(self, other: "Exposure") -> "Exposure":
        return Exposure(self.pairs + other.pairs, self.unsafe + other.unsafe)


def channel_limits(index: GraphIndex, node: onnx.NodeProto, place: int, guard: Guard) -> Floats:
    """What counts as the largest weight of each output channel.

    Args:
        index: The graph.
        node: A linear or recurrent node.
        place: Which of its inputs holds the weights.
        guard: How they are kept from saturating.

    Returns:
        float32[channels].
    """
    rows = channels(index, node, place)
    limits = np.abs(rows).max(axis=1)
    if guard == "pairs" and not is_depthwise(index, node):
        limits = np.maximum(limits, np.abs(_pair_sums(rows)).max(axis=1))
    return np.where(limits > 0, limits, 1).astype(np.float32)


def exposure(index: GraphIndex, nodes: Collection[str]) -> Exposure:
    """Count the pairs of these nodes that only the guard keeps safe."""
    total = Exposure(0, 0)
    for name in nodes:
        node = index.nodes[name]
        for place in weight_places(node):
            if not is_depthwise(index, node):
                total += _exposed(channels(index, node, place))
    return total


def weight_places(node: onnx.NodeProto) -> tuple[int, ...]:
    """Which inputs of a node hold weights; none for nodes without."""
    if node.op_type in {"Conv", "Gemm", "MatMul"}:
        return (1,)
    return _RECURRENT_WEIGHTS if node.op_type == "LSTM" else ()


def channel_axis(node: onnx.NodeProto) -> int:
    """The axis of a linear node's weights that its output channels lie on."""
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return 1 if node.op_type == "MatMul" else 0


def channels(index: GraphIndex, node: onnx.NodeProto, place: int) -> Floats:
    """Weights as float32[channels, depth], along depth in the order in which kernels multiply them.

    Convolutions walk over positions first and over channels within each.
    """
    weights = index.array(node.input[place])
    if node.op_type == "LSTM":
        return weights.reshape(-1, weights.shape[-1])
    if node.op_type == "Conv":
        return np.moveaxis(weights, 1, -1).reshape(len(weights), -1)
    if weights.ndim > 2:  # a batch of matrices shares the scales of its columns
        return np.moveaxis(weights, -1, 0).reshape(weights.shape[-1], -1)
    return weights if channel_axis(node) == 0 else weights.T


def is_depthwise(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """Whether a node is a convolution that takes each channel for itself."""
    return node.op_type == "Conv" and index.initializers[node.input[1]].dims[1] == 1


def _pair_sums(rows: Floats) -> Floats:
    padded = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))
    return np.asarray(padded[:, 0::2] + padded[:, 1::2], dtype=np.float32)


def _exposed(rows: Floats) -> Exposure:
    limits = np.abs(rows).max(axis=1, keepdims=True)
    integers: npt.NDArray[np.floating] = np.rint(rows * (127 / np.where(limits > 0, limits, 1)))
    sums = np.abs(_pair_sums(integers.astype(np.float32)))
    return Exposure(sums.size, int((sums > _LARGEST_SAFE_SUM).sum()))
