"""One graph with a switch per unit: each runs quantised or not, as its input says.

To know what every node's rounding does to the answers, one would quantise and load the model once per
node. Here it is loaded once, and any combination of nodes can be tried by setting inputs.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import onnx
from onnx import helper

from modelet.build.quantise.accuracy import Answers
from modelet.build.quantise.engine import Binding, Feed
from modelet.build.quantise.graph import GraphIndex, copy
from modelet.build.quantise.targets import Unit

# Quantises the named nodes of a graph.
Method = Callable[[onnx.ModelProto, Collection[str]], onnx.ModelProto]


class Switchboard:
    """A model whose units can be quantised one by one."""

    def __init__(
        self, plain: onnx.ModelProto, rounded: onnx.ModelProto, units: Sequence[Unit], method: Method
    ) -> None:
        """Build and load the graph.

        Args:
            plain: A prepared graph, for units that are switched off.
            rounded: The same with the biases that quantising wants, for units that are switched on.
            units: What can be switched.
            method: Quantises a unit.
        """
        self._switches = {unit: f"switch_{number}" for number, unit in enumerate(units)}
        self._binding = Binding(_build(plain, rounded, self._switches, method), "all")

    def answers(self, feeds: Sequence[Feed], quantised: Collection[Unit]) -> Answers:
        """Run samples with these units quantised and all others as they were."""
        chosen = set(quantised)
        settings = {name: np.array(unit in chosen) for unit, name in self._switches.items()}
        return self._binding.run_all([{**feed, **settings} for feed in feeds])


def _build(
    plain: onnx.ModelProto, rounded: onnx.ModelProto, switches: dict[Unit, str], method: Method
) -> onnx.ModelProto:
    board = copy(plain)
    before, after = GraphIndex(plain), GraphIndex(rounded)
    choices = {unit.nodes[-1]: _choice(before, after, unit, name, method) for unit, name in switches.items()}
    inside = {name for unit in switches for name in unit.nodes}
    nodes = [
        choices.get(node.name, node)
        for node in plain.graph.node
        if node.name in choices or node.name not in inside
    ]
    board.graph.ClearField("node")
    board.graph.node.extend(nodes)
    board.graph.input.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.BOOL, []) for name in switches.values()
    )
    board.graph.ClearField("value_info")
    return board


def _choice(before: GraphIndex, after: GraphIndex, unit: Unit, switch: str, method: Method) -> onnx.NodeProto:
    """An If with the unit's output: its nodes quantised, or as they were."""
    output = before.nodes[unit.nodes[-1]].output[0]
    quantised = method(part(after, unit.nodes), unit.nodes)
    return helper.make_node(
        "If",
        [switch],
        [output],
        f"{switch}_{unit.nodes[-1]}",
        then_branch=_branch(quantised.graph, f"{switch}_on_"),
        else_branch=_branch(part(before, unit.nodes).graph, f"{switch}_off_", with_weights=False),
    )


def part(index: GraphIndex, names: Sequence[str]) -> onnx.ModelProto:
    """Some nodes of a prepared graph as a graph of their own, with the last one's output."""
    nodes = [index.nodes[name] for name in names]
    made = {name for node in nodes for name in node.output}
    taken = [name for node in nodes for name in node.input if name and name not in made]
    weights = [index.initializers[name] for name in dict.fromkeys(taken) if index.is_constant(name)]
    inputs = [index.value(name) for name in dict.fromkeys(taken) if not index.is_constant(name)]
    graph = helper.make_graph(nodes, "part", inputs, [index.value(nodes[-1].output[0])], weights)
    graph.value_info.extend(index.value(name) for name in made - {nodes[-1].output[0]})
    model = helper.make_model(
        graph, opset_imports=list(index.model.opset_import), ir_version=index.model.ir_version
    )
    model.metadata_props.extend(index.model.metadata_props)
    return model


def _branch(graph: onnx.GraphProto, prefix: str, with_weights: bool = True) -> onnx.GraphProto:
    """A graph as a branch: its inputs come from around it, all else gets names of its own."""
    branch = onnx.GraphProto()
    branch.CopyFrom(graph)
    own = {name for node in branch.node for name in node.output if name}
    own |= {tensor.name for tensor in branch.initializer} if with_weights else set()
    for node in branch.node:
        node.name = prefix + node.name
        node.input[:] = [prefix + name if name in own else name for name in node.input]
        node.output[:] = [prefix + name if name in own else name for name in node.output]
    for named in (*branch.initializer, *branch.output):
        named.name = prefix + named.name if named.name in own else named.name
    if not with_weights:
        branch.ClearField("initializer")
    branch.ClearField("input")
    branch.ClearField("value_info")
    return branch
