"""Tiny ONNX graphs, built where a test needs one."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper

Shape = Sequence[int | str]


def value(name: str, onnx_type: int, shape: Shape) -> onnx.ValueInfoProto:
    """A graph input or output; a string in `shape` names a variable axis."""
    return helper.make_tensor_value_info(name, onnx_type, list(shape))


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    initializers: Sequence[onnx.TensorProto] = (),
    opset: int = 20,
) -> onnx.ModelProto:
    """A checked model of one graph in the default domain."""
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), list(initializers))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(proto)
    return proto


def identity(onnx_type: int = TensorProto.FLOAT, shape: Shape = ("n", 3)) -> onnx.ModelProto:
    """`y = x`, for any datatype and shape."""
    return model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [value("x", onnx_type, shape)],
        [value("y", onnx_type, shape)],
    )


def add_and_scale() -> onnx.ModelProto:
    """`sum = a + b`, `double = 2 * a` over `FP32[n,2]`: two inputs, two outputs."""
    two = helper.make_tensor("two", TensorProto.FLOAT, [], [2.0])
    shape = ("n", 2)
    return model(
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "two"], ["double"])],
        [value("a", TensorProto.FLOAT, shape), value("b", TensorProto.FLOAT, shape)],
        [value("sum", TensorProto.FLOAT, shape), value("double", TensorProto.FLOAT, shape)],
        [two],
    )


def softmax(classes: int = 4) -> onnx.ModelProto:
    """`probabilities = softmax(logits)` over `FP32[n,classes]`."""
    shape = ("n", classes)
    return model(
        [helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1)],
        [value("logits", TensorProto.FLOAT, shape)],
        [value("probabilities", TensorProto.FLOAT, shape)],
    )


def table_lookup(rows: int = 4) -> onnx.ModelProto:
    """`y = table[index]`: an index outside the table fails while the graph runs."""
    table = helper.make_tensor("table", TensorProto.FLOAT, [rows], [float(row) for row in range(rows)])
    return model(
        [helper.make_node("Gather", ["table", "index"], ["y"])],
        [value("index", TensorProto.INT64, ("n",))],
        [value("y", TensorProto.FLOAT, ("n",))],
        [table],
    )


def masked_sum() -> onnx.ModelProto:
    """`total = sum(input_ids * attention_mask)` of each row, over rows of any length."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    inputs = [value(name, TensorProto.INT64, ("n", "length")) for name in ("input_ids", "attention_mask")]
    return model(
        [
            helper.make_node("Mul", ["input_ids", "attention_mask"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "axes"], ["total"], keepdims=0),
        ],
        inputs,
        [value("total", TensorProto.INT64, ("n",))],
        [axes],
    )


NAMED: Mapping[str, onnx.ModelProto] = {
    "demo_identity": identity(),
    "demo_sum": add_and_scale(),
    "demo_softmax": softmax(),
    "demo_lookup": table_lookup(),
}


def perceptron(inputs: int = 4, hidden: int = 8, classes: int = 3) -> onnx.ModelProto:
    """Two layers with fixed weights, `probabilities` over `features`, as a framework would export them."""

    def weights(name: str, rows: int, columns: int) -> onnx.TensorProto:
        values = [((7 * i + 3) % 11 - 5) / 7 for i in range(rows * columns)]
        return helper.make_tensor(name, TensorProto.FLOAT, [rows, columns], values)

    return model(
        [
            helper.make_node("MatMul", ["features", "first"], ["sums"]),
            helper.make_node("Relu", ["sums"], ["activations"]),
            helper.make_node("MatMul", ["activations", "second"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        ],
        [value("features", TensorProto.FLOAT, ("n", inputs))],
        [value("probabilities", TensorProto.FLOAT, ("n", classes))],
        [weights("first", inputs, hidden), weights("second", hidden, classes)],
    )
