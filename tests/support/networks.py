"""Small networks with weights, and inputs they tell apart: what quantisers are tried on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from support.graphs import model, value

FEATURES, CLASSES = 16, 4
Floats = npt.NDArray[np.float32]


def weights(*shape: int, seed: int, name: str) -> onnx.TensorProto:
    """Weights as a network is initialised with, always the same."""
    scale = np.float32(1 / np.sqrt(np.prod(shape[:-1])))
    array = np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * scale
    return numpy_helper.from_array(array, name)


def mlp(hidden: int = 256) -> onnx.ModelProto:
    """`FP32[n,16] -> FP32[n,4]` probabilities: two Gemms with a Relu between them, and a Softmax."""
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "w2", "b2"], ["logits"], "second"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=-1),
    ]
    initializers = [
        weights(FEATURES, hidden, seed=1, name="w1"),
        weights(hidden, seed=2, name="b1"),
        weights(hidden, CLASSES, seed=3, name="w2"),
        weights(CLASSES, seed=4, name="b2"),
    ]
    return model(
        nodes,
        [value("x", TensorProto.FLOAT, ("n", FEATURES))],
        [value("probabilities", TensorProto.FLOAT, ("n", CLASSES))],
        initializers,
    )


def convolutions(channels: int = 32) -> onnx.ModelProto:
    """`FP32[n,3,16,16] -> FP32[n,4]`: two convolutions, of which a CPU has a faster layout."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], "first", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["a1"], "relu"),
        helper.make_node("Conv", ["a1", "w2"], ["c2"], "second", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c2"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["y"], "flatten"),
    ]
    initializers = [
        weights(channels, 3, 3, 3, seed=1, name="w1"),
        weights(CLASSES, channels, 3, 3, seed=2, name="w2"),
    ]
    return model(
        nodes,
        [value("x", TensorProto.FLOAT, ("n", 3, 16, 16))],
        [value("y", TensorProto.FLOAT, ("n", CLASSES))],
        initializers,
    )


def rows(count: int, *shape: int, seed: int = 0) -> Floats:
    """Inputs, `float32[count, *shape]`."""
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


def feeds(count: int, shape: Sequence[int] = (FEATURES,), name: str = "x") -> list[dict[str, Floats]]:
    """Runs of one row each."""
    return [{name: row[None]} for row in rows(count, *shape)]


# What a model's folder needs to have these inputs as samples, and the network's own choices as targets.
DATA = """
import numpy as np
import onnxruntime

X = np.random.default_rng(0).standard_normal((120, 16)).astype(np.float32)

def samples():
    return X

def targets():
    session = onnxruntime.InferenceSession("model.onnx")
    return session.run(None, {"x": X})[0].argmax(axis=1)
"""
