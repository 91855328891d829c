"""What becomes of weights: pruned, packed into blocks, guarded against overflow, corrected for their mean."""

from math import floor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper
from support.graphs import model, value
from support.networks import convolutions, feeds, mlp

from modelet.build.quantise import targets
from modelet.build.quantise.blocks import BLOCK, pack
from modelet.build.quantise.correct import correct_biases
from modelet.build.quantise.engine import Binding
from modelet.build.quantise.graph import GraphIndex
from modelet.build.quantise.prepare import prepare
from modelet.build.quantise.prune import prune, weights, zeros
from modelet.build.quantise.saturation import channel_limits, exposure
from modelet.build.quantise.tables import quantise_tables
from modelet.build.quantise.targets import Excluded

FINITE = st.floats(-4, 4, width=32)
MATRICES = arrays(
    np.float32,
    st.tuples(st.integers(1, 70), st.integers(1, 5)),
    elements=FINITE,
    fill=st.just(np.float32(0.5)),
)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_pruning_takes_the_smallest_of_each_tensor(share):
    whole, pruned = mlp(), prune(mlp(), share)
    before, after = GraphIndex(whole), GraphIndex(pruned)
    assert weights(before) == ["w1", "w2"]
    for name in weights(before):
        kept, was = after.array(name), before.array(name)
        gone = kept == 0
        assert gone.sum() == floor(share * was.size)
        assert (kept[~gone] == was[~gone]).all()
        assert not gone.any() or np.abs(was[gone]).max() <= np.abs(was[~gone]).min()
    assert zeros(pruned) == pytest.approx(share, abs=0.01)
    assert (after.array("b1") == before.array("b1")).all()


@given(MATRICES, st.sampled_from([4, 8]))
@example(np.array([[1e-45]], np.float32), 4)
def test_a_packed_matrix_is_within_half_a_step_of_each_block(matrix, bits):
    depth, width = matrix.shape
    packed, scales, zero_points = pack(matrix, bits)
    blocks = -(-depth // BLOCK)
    assert packed.shape == (width, blocks, BLOCK * bits // 8)

    def unpacked(values):
        return values if bits == 8 else np.stack([values & 15, values >> 4], axis=-1).reshape(len(values), -1)

    integers = unpacked(packed.reshape(width * blocks, -1)).reshape(width, blocks, BLOCK).astype(np.float64)
    offsets = unpacked(zero_points.reshape(width, -1)).reshape(width, -1)[:, :blocks, None]
    restored = ((integers - offsets) * scales[..., None]).reshape(width, -1)[:, :depth].T
    allowed = np.repeat(scales, BLOCK, axis=1)[:, :depth].T * 0.5001
    assert (np.abs(restored - matrix) <= allowed + 1e-6).all()


def linear(matrix, operator="MatMul"):
    """A graph of one product with these weights."""
    x = value("x", TensorProto.FLOAT, ("n", matrix.shape[0]))
    y = value("y", TensorProto.FLOAT, ("n", matrix.shape[1]))
    node = helper.make_node(operator, ["x", "w"], ["y"], "product")
    return model([node], [x], [y], [numpy_helper.from_array(matrix, "w")])


@given(MATRICES)
def test_no_pair_of_guarded_weights_can_overflow(matrix):
    """Two products of an unsigned activation fit 16 bits: 255 * 128 = 32640."""
    index = GraphIndex(linear(matrix))
    limits = channel_limits(index, index.nodes["product"], 1, "pairs")
    integers = np.rint(matrix / limits * 127)
    padded = np.pad(integers, ((0, len(integers) % 2), (0, 0)))
    assert (np.abs(padded[0::2] + padded[1::2]) <= 128).all()
    assert (np.abs(integers) <= 127).all()


def test_pairs_that_would_overflow_are_counted():
    matrix = np.array([[1.0, 1.0], [1.0, -1.0], [0.1, 1.0]], np.float32)
    found = exposure(GraphIndex(linear(matrix)), ["product"])
    assert (found.pairs, found.unsafe) == (4, 1)


def test_corrected_biases_take_the_mean_error_out():
    plain = prepare(convolutions())
    index = GraphIndex(plain)
    inputs = feeds(16, (3, 16, 16))
    inputs = [{"x": np.abs(feed["x"])} for feed in inputs]  # a mean that is not zero
    mean = np.mean([feed["x"].mean(axis=(0, 2, 3)) for feed in inputs], axis=0)
    corrected = correct_biases(plain, ["first"], {"x": mean}, "pairs")
    before = index.array("w1")
    limits = channel_limits(index, index.nodes["first"], 1, "pairs")[:, None, None, None]
    rounded = (np.rint(before / limits * 127) * limits / 127).astype(np.float32)

    def mean_output(weights, bias):
        # No padding inside the picture: the mean of each output channel is linear in the mean input.
        return np.einsum("oihw,i->o", weights, mean) + bias

    name = GraphIndex(corrected).nodes["first"].input[2]
    shift = GraphIndex(corrected).array(name)
    wanted = mean_output(before, 0)
    assert np.abs(mean_output(rounded, shift) - wanted).max() < 1e-5
    assert np.abs(mean_output(rounded, 0) - wanted).max() > 1e-3


def test_tables_in_int8_read_nearly_the_same_rows():
    table = np.random.default_rng(0).standard_normal((500, 16)).astype(np.float32)
    node = helper.make_node("Gather", ["table", "i"], ["y"], "lookup")
    i, y = value("i", TensorProto.INT64, ("n",)), value("y", TensorProto.FLOAT, ("n", 16))
    plain = prepare(model([node], [i], [y], [numpy_helper.from_array(table, "table")]))
    names = targets.tables(GraphIndex(plain), Excluded())
    quantised = quantise_tables(plain, names)
    assert names == ["lookup"]
    assert quantised.ByteSize() < 0.4 * plain.ByteSize()
    rows = np.arange(500)
    answer = np.asarray(Binding(quantised).run({"i": rows})["y"])
    assert (np.abs(answer - table) <= np.abs(table).max(axis=1, keepdims=True) / 127 / 2 + 1e-6).all()
