"""One form for graphs that compute the same: tf2onnx orders and numbers nodes in another way each time."""

import re
from collections.abc import Iterator

import onnx

from modelet.build.converters.renaming import free

_NUMBER = re.compile(r"_\d+(?=/|$)")
_VALUE = onnx.AttributeProto.GRAPH


def canonicalise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Order nodes as the outputs need them, and name nodes and tensors by that order, in place.

    Inputs and outputs of the main graph keep their names. A node is named after the layer it is in and its
    operator, a tensor after its node.
    """
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    _Names(kept).settle(model.graph, {name: name for name in kept})
    return model


class _Names:
    """The names that are taken so far, over the graph and all inside of its nodes."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def settle(self, graph: onnx.GraphProto, names: dict[str, str]) -> None:
        """Order and name one graph.

        Args:
            graph: The graph.
            names: New names by old, of its inputs and of what it may read from around it.
        """
        nodes = list(_in_order(graph))
        held = {tensor.name: tensor for tensor in graph.initializer}
        for node in nodes:
            for name in _read(node):
                if name in held and name not in names:
                    names[name] = self._new("constant")
            # Of equal nodes one is kept, and not always the same: reader/zeros or reader/zeros_1.
            layer = _NUMBER.sub("", node.name.rpartition("/")[0])
            node.name = self._new(f"{layer}/{node.op_type}".lstrip("/"))
            for position, name in enumerate(node.output):
                if name and name not in names:
                    names[name] = self._new(f"{node.name}:{position}")
        for node in nodes:
            self._settle_inside(node, names)
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        constants = [held[name] for name in names if name in held]
        for tensor in constants:
            tensor.name = names[tensor.name]
        for value in graph.output:
            value.name = names.get(value.name, value.name)
        _replace(graph, nodes, constants)

    def _settle_inside(self, node: onnx.NodeProto, names: dict[str, str]) -> None:
        for attribute in node.attribute:
            if attribute.type == _VALUE:
                inner = dict(names)
                for value in attribute.g.input:
                    inner[value.name] = self._new(f"{node.name}/input")
                self.settle(attribute.g, inner)
                attribute.g.name = f"{node.name}/{attribute.name}"
                for value in attribute.g.input:
                    value.name = inner[value.name]

    def _new(self, wanted: str) -> str:
        name = free(wanted, self._taken)
        self._taken.add(name)
        return name


def _in_order(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes that the outputs need, each behind all that it reads; without recursion, for deep graphs."""
    makers = {name: node for node in graph.node for name in node.output if name}
    waiting = [value.name for value in reversed(graph.output)]
    begun: set[int] = set()
    done: set[int] = set()
    while waiting:
        node = makers.get(waiting[-1])
        if node is None or id(node) in done:
            waiting.pop()
        elif id(node) in begun:
            waiting.pop()
            done.add(id(node))
            yield node
        else:
            begun.add(id(node))
            waiting.extend(reversed(list(_read(node))))


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """The names a node reads, in order, with those that graphs inside of it read from around it."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        if attribute.type == _VALUE:
            own = {value.name for value in (*attribute.g.input, *attribute.g.initializer)}
            own |= {name for inner in attribute.g.node for name in inner.output}
            inside = (name for inner in attribute.g.node for name in _read(inner))
            results = (value.name for value in attribute.g.output)
            yield from (name for names in (inside, results) for name in names if name not in own)


def _replace(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> None:
    """Put nodes and constants in their order; what nothing reads and notes on shapes are left out."""
    copied = [(onnx.NodeProto(), node) for node in nodes]
    for copy, node in copied:
        copy.CopyFrom(node)
    kept = [onnx.TensorProto() for _ in constants]
    for tensor, constant in zip(kept, constants, strict=True):
        tensor.CopyFrom(constant)
    for field in ("node", "initializer", "value_info"):
        graph.ClearField(field)
    graph.node.extend(copy for copy, _ in copied)
    graph.initializer.extend(kept)
