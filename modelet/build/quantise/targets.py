"""Which nodes of a prepared graph each method can store in fewer bits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import onnx

from modelet.build.quantise.graph import GraphIndex, attribute

# Less than this gains nothing that could be measured.
_LEAST_ELEMENTS = 4096

LINEAR = frozenset({"Conv", "Gemm", "MatMul"})
# A Clip or Relu right behind a linear node becomes the range of the integers that node gives.
REMOVABLE = frozenset({"Clip", "Relu"})
# Operators with an integer kernel on the CPU that only pass values on or combine them. They are worth
# quantising between two nodes that are, and nowhere else.
# Source: onnxruntime/core/optimizer/qdq_transformer/selectors_actions/qdq_selector_action_transformer.cc
_COMBINING = frozenset({"Add", "Mul", "Concat"})
_PASSING = frozenset(
    {"AveragePool", "Flatten", "GlobalAveragePool", "LeakyRelu", "MaxPool", "Pad", "Reshape", "Resize"}
    | {"Sigmoid", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
    | REMOVABLE
)


# Rounding to 8 bits brings no error of its own where values are only moved or picked.
_ROUNDING = _COMBINING | {"AveragePool", "GlobalAveragePool", "LeakyRelu", "Resize", "Sigmoid"}


@dataclass(frozen=True, slots=True)
class Unit:
    """Nodes that are quantised together: one, or one and the activation that vanishes into it.

    Attributes:
        nodes: Their names, in order; the last one's output is the unit's.
    """

    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Excluded:
    """What a person keeps out of quantisation.

    Attributes:
        nodes: Names of nodes, with `*` and `?` as in file names.
        operators: Operators, such as `Softmax`.
    """

    nodes: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    def covers(self, node: onnx.NodeProto) -> bool:
        """Whether a node is kept out."""
        return node.op_type in self.operators or any(fnmatchcase(node.name, name) for name in self.nodes)


def dynamic(index: GraphIndex, excluded: Excluded) -> list[str]:
    """Nodes whose weights become int8 and whose activations are measured in every run."""
    return _names(index, excluded, lambda node: is_linear(index, node) or _is_lstm(index, node))


def blockwise(index: GraphIndex, excluded: Excluded) -> list[str]:
    """Nodes whose weights alone can be stored block by block."""
    return _names(index, excluded, lambda node: _is_matrix_product(index, node))


def tables(index: GraphIndex, excluded: Excluded) -> list[str]:
    """Lookups of rows in a constant table."""
    return _names(index, excluded, lambda node: _is_table(index, node))


def static(index: GraphIndex, excluded: Excluded) -> list[str]:
    """Nodes that compute in int8 on calibrated ranges: linear ones, and what lies between them."""
    linear = set(_names(index, excluded, lambda node: is_linear(index, node)))
    chosen = set(linear)
    nodes = index.model.graph.node
    for node in nodes:  # in topological order: what feeds a node has been decided before
        if not excluded.covers(node) and _continues(index, node, chosen):
            chosen.add(node.name)
    for node in reversed(nodes):
        if node.name not in linear and not _is_wanted(index, node, chosen):
            chosen.discard(node.name)
    return [node.name for node in nodes if node.name in chosen]


def units(index: GraphIndex, nodes: Sequence[str]) -> list[Unit]:
    """Divide nodes into what can be left out one by one."""
    chosen = set(nodes)
    found = []
    for name in nodes:
        node = index.nodes[name]
        if node.op_type in LINEAR:
            behind = index.sole_consumer(node.output[0])
            vanishes = behind is not None and behind.op_type in REMOVABLE and behind.name in chosen
            found.append(Unit((name, behind.name) if behind is not None and vanishes else (name,)))
        elif node.op_type in _ROUNDING or node.op_type == "LSTM":
            found.append(Unit((name,)))
    return found


def _names(index: GraphIndex, excluded: Excluded, fits: Callable[[onnx.NodeProto], bool]) -> list[str]:
    return [node.name for node in index.model.graph.node if fits(node) and not excluded.covers(node)]


def is_linear(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """Whether a node multiplies an activation with constant weights."""
    return (
        node.op_type in LINEAR
        and index.is_weight(node.input[1])
        and index.is_float_activation(node.input[0])
        and (len(node.input) < 3 or index.is_constant(node.input[2]))
    )


def _is_lstm(index: GraphIndex, node: onnx.NodeProto) -> bool:
    return node.op_type == "LSTM" and all(index.is_weight(name, 3) for name in node.input[1:3])


def _is_matrix_product(index: GraphIndex, node: onnx.NodeProto) -> bool:
    return (
        node.op_type in {"Gemm", "MatMul"}
        and is_linear(index, node)
        and len(index.initializers[node.input[1]].dims) == 2
        and _elements(index, node.input[1]) >= _LEAST_ELEMENTS
    )


def _is_table(index: GraphIndex, node: onnx.NodeProto) -> bool:
    return (
        node.op_type == "Gather"
        and attribute(node, "axis", 0) == 0
        and index.is_weight(node.input[0])
        and len(index.initializers[node.input[0]].dims) == 2
        and _elements(index, node.input[0]) >= _LEAST_ELEMENTS
    )


def _continues(index: GraphIndex, node: onnx.NodeProto, chosen: set[str]) -> bool:
    """Whether every activation a node takes comes out of integers already."""
    activations = [name for name in node.input if name and not index.is_constant(name)]
    if node.op_type in _PASSING:
        activations = activations[:1]
    elif node.op_type not in _COMBINING or len(activations) < 2:
        return False
    makers = [index.producers.get(name) for name in activations]
    return all(maker is not None and maker.name in chosen for maker in makers)


def _is_wanted(index: GraphIndex, node: onnx.NodeProto, chosen: set[str]) -> bool:
    """Whether a node's integers are taken as such, or it vanishes into the node before."""
    if node.op_type in REMOVABLE:
        maker = index.producers[node.input[0]]
        if maker.op_type in LINEAR and index.sole_consumer(node.input[0]) is not None:
            return True
    takers = [taker for name in node.output for taker in index.consumers.get(name, [])]
    return any(taker.name in chosen for taker in takers)


def _elements(index: GraphIndex, name: str) -> int:
    count = 1
    for size in index.initializers[name].dims:
        count *= size
    return count
