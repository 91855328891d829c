"""Pictures that stay bytes up to the first convolution."""

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.graphs import model, value
from support.networks import weights

from modelet.build.quantise.accuracy import compare
from modelet.build.quantise.bytes_in import byte_ranges
from modelet.build.quantise.engine import Binding, folded
from modelet.build.quantise.formula import Formula
from modelet.build.quantise.quantiser import Quantiser

RANDOM = np.random.default_rng(0)
PICTURES = [{"pixels": RANDOM.integers(40, 200, (1, 16, 16, 3), np.uint8)} for _ in range(16)]
FORMULA = Formula("int8-static", "minmax", "pairs")


def pictures(factor: "float | list[float]" = 1 / 128, offset: float = -127 / 128) -> onnx.ModelProto:
    """`UINT8[n,16,16,3]`, scaled as a network was trained on them, through a convolution."""
    factors = np.array(factor, np.float32).reshape(1, -1, 1, 1)
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["planes"], "planes", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], "floats", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "factor"], ["scaled"], "scale"),
        helper.make_node("Add", ["scaled", "offset"], ["x"], "offset"),
        helper.make_node("Conv", ["x", "w"], ["c"], "conv", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c"], ["y"], "pool"),
    ]
    initializers = [
        weights(8, 3, 3, 3, seed=1, name="w"),
        numpy_helper.from_array(factors, "factor"),
        numpy_helper.from_array(np.array([offset], np.float32), "offset"),
    ]
    pixels = value("pixels", TensorProto.UINT8, ("n", 16, 16, 3))
    return model(nodes, [pixels], [value("y", TensorProto.FLOAT, ("n", 8, 1, 1))], initializers)


def made(graph: onnx.ModelProto, **changes: object) -> onnx.ModelProto:
    return Quantiser(graph, PICTURES, **changes).make(FORMULA)  # type: ignore[arg-type]


def operators(graph: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph.node)


@pytest.mark.parametrize(
    ("factor", "offset"), [(1 / 128, -127 / 128), (1 / 255, 0.0), (2 / 255, -1.0 + 1 / 255)]
)
def test_bytes_that_stand_for_themselves_are_kept(factor, offset):
    graph = pictures(factor, offset)
    quantised = made(graph)
    assert not operators(quantised).keys() & {"Cast", "Mul", "Add"}
    assert operators(folded(quantised))["Transpose"] == 1
    plain, ours = (Binding(each, "all").run_all(PICTURES) for each in (graph, quantised))
    assert compare(plain, ours).cosine > 0.999


def test_the_range_is_that_of_all_bytes_and_not_of_those_seen():
    assert byte_ranges(Quantiser(pictures(), PICTURES).prepared, ["x"]) == {"x": (-127 / 128, 1.0)}


@pytest.mark.parametrize(
    ("factor", "offset"),
    [([1 / 128, 1 / 64, 1 / 128], 0.0), (-1 / 128, 0.5), (1 / 128, 3.0)],
    ids=["each channel has its own", "falling", "zero is outside"],
)
def test_others_are_scaled_and_rounded(factor, offset):
    graph = pictures(factor, offset)
    quantised = made(graph)
    assert operators(quantised)["Mul"] == 1
    plain, ours = (Binding(each, "all").run_all(PICTURES) for each in (graph, quantised))
    assert compare(plain, ours).cosine > 0.99


def test_arm_has_signed_activations():
    quantised = made(pictures(), architecture="arm64")
    assert operators(quantised)["Mul"] == 1
