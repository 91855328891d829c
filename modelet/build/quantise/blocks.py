"""Weights alone in 8 or 4 bits, with a scale per block of 32: activations stay in floating point.

The kernel multiplies in int8 all the same, with a scale per row and block of the activations, which is
why it is nearly exact where one scale for a whole activation is not.
"""

from collections.abc import Collection
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from modelet.build.quantise.gemm import split_gemms
from modelet.build.quantise.graph import Floats, GraphIndex, replace_nodes, require_domain

Bits = Literal[4, 8]

BLOCK = 32
_DOMAIN = "com.microsoft"
# Activations are rounded to int8 per block, instead of weights being unpacked to floats.
# Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
_INT8_ACTIVATIONS = 4


def quantise_blockwise(model: onnx.ModelProto, nodes: Collection[str], bits: Bits) -> onnx.ModelProto:
    """A new model whose matrix products hold packed weights.

    Args:
        model: A prepared graph, or one that is quantised otherwise.
        nodes: Names of the products, as `targets.blockwise` gives them.
        bits: Bits per weight.
    """
    quantised = split_gemms(model)
    index = GraphIndex(quantised)
    replacements = {name: [_packed(index, index.nodes[name], bits)] for name in nodes}
    if replacements:
        replace_nodes(quantised, replacements)
        require_domain(quantised, _DOMAIN, 1)
    return quantised


def _packed(index: GraphIndex, node: onnx.NodeProto, bits: Bits) -> onnx.NodeProto:
    weights = index.array(node.input[1])
    names = [f"{node.name}_{part}" for part in ("packed", "scales", "zeros")]
    for name, data in zip(names, pack(weights, bits), strict=True):
        index.model.graph.initializer.append(numpy_helper.from_array(np.asarray(data), name))
    depth, width = weights.shape
    return helper.make_node(
        "MatMulNBits",
        [node.input[0], *names],
        node.output,
        node.name,
        domain=_DOMAIN,
        K=depth,
        N=width,
        bits=bits,
        block_size=BLOCK,
        accuracy_level=_INT8_ACTIVATIONS,
    )


def pack(weights: Floats, bits: Bits) -> tuple[npt.NDArray[np.uint8], Floats, npt.NDArray[np.uint8]]:
    """Round a matrix block by block along its first axis.

    Args:
        weights: float32[depth, width].
        bits: Bits per weight.

    Returns:
        uint8[width, blocks, bytes], float32[width, blocks] scales, and the packed zero points.
    """
    depth, width = weights.shape
    count = -(-depth // BLOCK)
    padded = np.zeros((count * BLOCK, width), np.float32)
    padded[:depth] = weights
    blocks = padded.T.reshape(width, count, BLOCK)
    low, high = np.minimum(blocks.min(axis=2), 0), np.maximum(blocks.max(axis=2), 0)
    largest = (1 << bits) - 1
    scales = (high - low) / np.float32(largest)
    scales = np.where(scales > 0, scales, np.float32(1))  # nothing, or too little for a step of its own
    zeros = np.clip(np.rint(-low / scales), 0, largest)
    integers = np.clip(np.rint(blocks / scales[..., None]) + zeros[..., None], 0, largest)
    return _fill(integers.astype(np.uint8), bits), scales, _fill(zeros.astype(np.uint8), bits)


def _fill(values: npt.NDArray[np.uint8], bits: Bits) -> npt.NDArray[np.uint8]:
    """Put values along the last axis into bytes, the first one lowest."""
    if bits == 8:
        return values
    if values.shape[-1] % 2:
        values = np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)
    return np.asarray(values[..., 0::2] | values[..., 1::2] << 4, dtype=np.uint8)
