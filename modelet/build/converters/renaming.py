"""Names of tensors in a graph."""

from collections.abc import Collection, Mapping

import onnx


def rename(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    """Rename tensors of the main graph, in place; what has a wanted name already gets another."""
    names = {old: new for old, new in names.items() if old != new}
    taken = tensors(model)
    for wanted in sorted(set(names.values()) & (taken - names.keys())):
        names[wanted] = free(wanted, taken | set(names.values()))
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return model


def tensors(model: onnx.ModelProto) -> set[str]:
    """The names of all tensors of the main graph."""
    held = {value.name for value in (*model.graph.input, *model.graph.initializer)}
    return held | {name for node in model.graph.node for name in node.output}


def free(name: str, taken: Collection[str]) -> str:
    """The name itself, or with the first number behind it that is not taken."""
    number = 1
    while (found := f"{name}_{number}" if number > 1 else name) in taken:
        number += 1
    return found
