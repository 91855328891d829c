"""Sets the smallest weights of each tensor to zero: no run gets faster, but the image gets smaller."""

from math import floor

import numpy as np
import onnx
from onnx import numpy_helper

from modelet.build.quantise.graph import Floats, GraphIndex, copy

MOST = 0.95
_WEIGHTS = {"Conv": (1,), "ConvTranspose": (1,), "Gemm": (1,), "MatMul": (0, 1)}
_RECURRENT = {"GRU": (1, 2), "LSTM": (1, 2), "RNN": (1, 2)}


def prune(model: onnx.ModelProto, share: float) -> onnx.ModelProto:
    """A new model with this share of the weights of every linear and recurrent node at zero.

    Args:
        model: A prepared graph.
        share: 0.0 to 0.95, taken per tensor by magnitude.
    """
    pruned = copy(model)
    if not share:
        return pruned
    index = GraphIndex(pruned)
    for name in weights(index):
        index.initializers[name].CopyFrom(numpy_helper.from_array(_thinned(index.array(name), share), name))
    return pruned


def weights(index: GraphIndex) -> list[str]:
    """The tensors that are pruned: constant float weights of two or more axes; no tables, no biases."""
    places = _WEIGHTS | _RECURRENT
    taken = (
        name
        for node in index.model.graph.node
        for place in places.get(node.op_type, ())
        for name in node.input[place : place + 1]
    )
    return [name for name in dict.fromkeys(taken) if index.is_weight(name)]


def zeros(model: onnx.ModelProto) -> float:
    """The share of all prunable weights that are zero."""
    index = GraphIndex(model)
    arrays = [index.array(name) for name in weights(index)]
    elements = sum(array.size for array in arrays)
    return sum(int((array == 0).sum()) for array in arrays) / elements if elements else 0.0


def _thinned(array: Floats, share: float) -> Floats:
    flat = array.reshape(-1).copy()
    # A stable sort, so that of equal magnitudes the first ones go, on every machine.
    flat[np.argsort(np.abs(flat), kind="stable")[: floor(share * flat.size)]] = 0
    return flat.reshape(array.shape)
