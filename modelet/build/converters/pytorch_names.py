"""Names of a graph's inputs, outputs and axes as people gave them, not as PyTorch made them up."""

import re
from collections.abc import Iterator, Mapping, Sequence

import onnx

from modelet.build import walk

_SYMBOL = re.compile(r"[A-Za-z_]\w*")


def name_values(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Rename inputs and outputs, in place; what has a wanted name inside of the graph gets another.

    PyTorch does not look whether an operator inside has the name it is told to give an output.
    """
    _separate_outputs(model.graph)
    ends = [*model.graph.input, *model.graph.output]
    wanted = {value.name: name for value, name in zip(ends, [*inputs, *outputs], strict=True)}
    inner = set(_names(model)) - set(wanted)
    taken = inner | set(wanted.values())
    for name in sorted(inner & set(wanted.values())):
        wanted[name] = next(free for i in range(len(taken)) if (free := f"{name}_{i}") not in taken)
        taken.add(wanted[name])
    for graph in walk.graphs(model):
        for named in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            named.name = wanted.get(named.name, named.name)
    for node in walk.nodes(model):
        node.input[:] = [wanted.get(name, name) for name in node.input]
        node.output[:] = [wanted.get(name, name) for name in node.output]


def name_axes(model: onnx.ModelProto, axes: Mapping[str, Mapping[int, str]]) -> None:
    """Rename variable axes, in place; PyTorch calls them `s31`, in sums and products too.

    Args:
        model: The model.
        axes: The names of each input's variable axes, by position.
    """
    names: dict[str, str] = {}
    for value in model.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_param:
                names.setdefault(dim.dim_param, axes[value.name].get(axis, dim.dim_param))
    for graph in walk.graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param:
                    dim.dim_param = _SYMBOL.sub(lambda found: names.get(found[0], found[0]), dim.dim_param)


def _separate_outputs(graph: onnx.GraphProto) -> None:
    """Give an output that is an input too, or an output twice, a value of its own."""
    taken = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    for number, output in enumerate(graph.output):
        if output.name in taken:
            copy = f"{output.name}_copy_{number}"
            graph.node.append(onnx.helper.make_node("Identity", [output.name], [copy]))
            output.name = copy
        taken.add(output.name)


def _names(model: onnx.ModelProto) -> Iterator[str]:
    for graph in walk.graphs(model):
        yield from (tensor.name for tensor in graph.initializer)
        yield from (value.name for value in graph.input)
    for node in walk.nodes(model):
        yield from node.input
        yield from node.output
