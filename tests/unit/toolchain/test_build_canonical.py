"""Graphs that compute the same get the same form, whatever order and names their nodes had."""

import random
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelet.build.arrays import to_array, to_tensor
from modelet.build.converters.canonical import canonicalise
from modelet.build.reference import ReferenceSession

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def value(name, shape=(None, 3), kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def body(made):
    """Adds what it gets to a sum, and to a constant from around it."""
    nodes = [
        helper.make_node("Identity", [f"{made}_go"], [f"{made}_on"], f"{made}_copy"),
        helper.make_node("Add", [f"{made}_sum", "scaled"], [f"{made}_next"], "net/loop/add"),
    ]
    return helper.make_graph(
        nodes,
        made,
        [
            value(f"{made}_i", (), TensorProto.INT64),
            value(f"{made}_go", (), TensorProto.BOOL),
            value(f"{made}_sum"),
        ],
        [value(f"{made}_on", (), TensorProto.BOOL), value(f"{made}_next")],
    )


def graph(seed):
    """Three times `2 x` added to `x`, and unused parts; the seed shuffles and numbers."""
    chance = random.Random(seed)
    number = chance.randrange(100)
    nodes = [
        helper.make_node("Mul", ["x", f"two__{number}"], ["scaled"], f"net/zeros_{seed}/mul__{number}"),
        helper.make_node(
            "Loop", ["count", "go", "x"], ["y"], f"net/loop__{number}", body=body(f"body{number}")
        ),
        helper.make_node("Identity", ["x"], ["nothing"], "unused"),
    ]
    held = [constant(f"two__{number}", np.float32(2)), constant("count", 3), constant("go", True)]
    held.append(constant("spare", 1.0))
    chance.shuffle(held)
    if seed % 2:
        held.reverse()
    made = helper.make_graph(nodes, "g", [value("x")], [value("y")], held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_the_same_whatever_the_order_and_the_numbers():
    forms = {canonicalise(graph(seed)).SerializeToString(deterministic=True) for seed in range(6)}
    assert len(forms) == 1


@pytest.mark.parametrize("seed", range(3))
def test_computes_what_it_did(seed):
    model = canonicalise(graph(seed))
    onnx.checker.check_model(model, full_check=True)
    [found] = ReferenceSession(model.SerializeToString()).run([to_tensor("x", X)])
    np.testing.assert_array_equal(to_array(found), X + 3 * 2 * X)


def test_names_say_the_layer_and_the_operator():
    model = canonicalise(graph(4))
    assert [node.name for node in model.graph.node] == ["net/zeros/Mul", "net/Loop"]
    assert {tensor.name for tensor in model.graph.initializer} == {"constant", "constant_2", "constant_3"}
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["x", "y"]


def test_a_deep_graph_is_no_problem():
    names = ["x", *(f"t{i}" for i in range(5000)), "y"]
    nodes = [helper.make_node("Identity", [a], [b]) for a, b in pairwise(names)]
    made = helper.make_graph(nodes[::-1], "g", [value("x")], [value("y")])
    model = canonicalise(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)]))
    assert model.graph.node[0].input == ["x"]
    assert model.graph.node[-1].output == ["y"]
