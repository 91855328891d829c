"""What quantisers ask of a graph: who makes a tensor, who takes it, what is constant."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Floats = npt.NDArray[np.float32]

FLOAT = onnx.TensorProto.FLOAT


class GraphIndex:
    """An index of a model's main graph; it does not follow later changes of the graph.

    Attributes:
        model: The model.
        nodes: Its nodes by name; `prepare` gives every node one.
        initializers: The tensors with data.
        producers: The node that makes a tensor.
        consumers: The nodes that take a tensor.
        outputs: Names of the graph's outputs.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.model = model
        self.nodes = {node.name: node for node in graph.node}
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(_inputs(node)):
                self.consumers.setdefault(name, []).append(node)
        self.outputs = {value.name for value in graph.output}
        values = (*graph.value_info, *graph.input, *graph.output)
        self._values: dict[str, onnx.ValueInfoProto] = {value.name: value for value in values}

    def is_constant(self, name: str) -> bool:
        """Whether a tensor has its data in the graph."""
        return name in self.initializers

    def is_weight(self, name: str, least_rank: int = 2) -> bool:
        """Whether a tensor is constant, float and of at least this rank."""
        tensor = self.initializers.get(name)
        return tensor is not None and tensor.data_type == FLOAT and len(tensor.dims) >= least_rank

    def is_float_activation(self, name: str) -> bool:
        """Whether a tensor is computed, or given to the graph, as 32-bit floats."""
        value = self._values.get(name)
        return value is not None and not self.is_constant(name) and value.type.tensor_type.elem_type == FLOAT

    def is_of_bytes(self, name: str) -> bool:
        """Whether a tensor is computed, or given to the graph, as unsigned bytes."""
        value = self._values.get(name)
        return value is not None and value.type.tensor_type.elem_type == onnx.TensorProto.UINT8

    def constant(self, name: str) -> "npt.NDArray[np.generic] | None":
        """The data of a tensor that has it in the graph."""
        tensor = self.initializers.get(name)
        return np.asarray(numpy_helper.to_array(tensor)) if tensor is not None else None

    def value(self, name: str) -> onnx.ValueInfoProto:
        """The type of an activation, as far as it is known."""
        return self._values[name]

    def array(self, name: str) -> Floats:
        """The data of a constant float tensor."""
        return np.asarray(numpy_helper.to_array(self.initializers[name]), dtype=np.float32)

    def sole_consumer(self, name: str) -> onnx.NodeProto | None:
        """The only node that takes a tensor, if there is one and the tensor is no output of the graph."""
        consumers = self.consumers.get(name, [])
        return consumers[0] if len(consumers) == 1 and name not in self.outputs else None


def copy(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that may be changed."""
    clone = onnx.ModelProto()
    clone.CopyFrom(model)
    return clone


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node."""
    return next((entry.i for entry in node.attribute if entry.name == name), default)


def replace_nodes(model: onnx.ModelProto, replacements: dict[str, list[onnx.NodeProto]]) -> None:
    """Put other nodes in the place of the named ones, in place; initializers nobody takes go."""
    nodes = [new for node in model.graph.node for new in replacements.get(node.name, [node])]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    model.graph.ClearField("node")
    model.graph.node.extend(kept)
    drop_unused_initializers(model)


def sort_nodes(model: onnx.ModelProto) -> None:
    """Put every node behind those whose outputs it takes, in place; apart from that the order stays."""
    pending = list(model.graph.node)
    inside = {name for node in pending for name in node.output}
    ready: set[str] = set()
    ordered: list[onnx.NodeProto] = []
    while pending:
        waiting = []
        for node in pending:
            if all(name in ready for name in _inputs(node) if name in inside):
                ordered.append(onnx.NodeProto.FromString(node.SerializeToString()))
                ready.update(node.output)
            else:
                waiting.append(node)
        assert len(waiting) < len(pending), "the graph has a cycle"
        pending = waiting
    model.graph.ClearField("node")
    model.graph.node.extend(ordered)


def drop_unused_initializers(model: onnx.ModelProto) -> None:
    """Remove initializers that no node and no output takes, in place."""
    used = {name for node in _with_subgraphs(model.graph.node) for name in node.input}
    used |= {value.name for value in model.graph.output}
    for position in reversed(range(len(model.graph.initializer))):
        if model.graph.initializer[position].name not in used:
            del model.graph.initializer[position]


def require_domain(model: onnx.ModelProto, domain: str, version: int) -> None:
    """List an operator set among the model's, in place."""
    if all(entry.domain != domain for entry in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(domain, version))


def _inputs(node: onnx.NodeProto) -> Iterator[str]:
    """Every tensor a node takes, those its subgraphs take from outside included."""
    yield from node.input
    for inner in _with_subgraphs(_subgraph_nodes(node)):
        yield from inner.input


def _with_subgraphs(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        yield from _with_subgraphs(_subgraph_nodes(node))


def _subgraph_nodes(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    for entry in node.attribute:
        yield from entry.g.node
        for graph in entry.graphs:
            yield from graph.node
