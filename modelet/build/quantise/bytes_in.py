"""Pictures come as bytes; a graph that scales them to floats and rounds these to bytes again can keep them.

`(pixel - 127) / 128` is what a zero point of 127 and a scale of 1/128 stand for. So where an activation is
one function of a byte for all elements, it is stored so that each byte stands for its own value, and
neither the scaling nor the rounding is computed.
"""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import onnx

from modelet.build.quantise.graph import Floats, GraphIndex, drop_unused_initializers

_ALL = np.arange(256)
_ARITHMETIC = {"Add": np.add, "Div": np.divide, "Mul": np.multiply, "Sub": np.subtract}

Ranges = dict[str, tuple[float, float]]


def byte_ranges(model: onnx.ModelProto, activations: Collection[str]) -> Ranges:
    """The range of each activation in which bytes stand for themselves, where there is one.

    Args:
        model: A prepared graph.
        activations: Names of float activations.
    """
    index = GraphIndex(model)
    found: Ranges = {}
    for name in activations:
        function = _function(index, name)
        if function is not None:
            low, high = float(function[1][0]), float(function[1][-1])
            scale = np.float32((high - low) / 255)
            if (
                low <= 0 <= high
                and scale > 0
                and _is_identity(function[1], scale, round(-low / float(scale)))
            ):
                found[name] = (low, high)
    return found


def keep_bytes(model: onnx.ModelProto) -> None:
    """Take bytes as they are wherever they would be scaled and then rounded to themselves, in place.

    Args:
        model: A graph in QDQ form.
    """
    index = GraphIndex(model)
    renamed: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            function = _function(index, node.input[0])
            scale, zero_point = (index.constant(name) for name in node.input[1:3])
            if function is None or scale is None or zero_point is None or zero_point.dtype != np.uint8:
                continue
            if scale.size == 1 and _is_identity(function[1], np.float32(scale), int(zero_point)):
                renamed[node.output[0]] = function[0]
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    _drop_dead_nodes(model)


def _function(index: GraphIndex, name: str) -> tuple[str, Floats] | None:
    """The bytes that an activation is computed from, and what it is for each of 256; None for all others."""
    steps = []
    node = index.producers.get(name)
    while node is not None and node.op_type in _ARITHMETIC:
        constants = [index.constant(operand) for operand in node.input]
        uniform = [array is not None and np.all(array == array.flat[0]) for array in constants]
        if sum(uniform) != 1 or sum(array is not None for array in constants) != 1:
            return None
        steps.append((node.op_type, constants))
        node = index.producers.get(node.input[uniform.index(False)])
    if node is None or node.op_type != "Cast" or not index.is_of_bytes(node.input[0]):
        return None
    values = _ALL.astype(np.float32)
    for operator, (left, right) in reversed(steps):
        operands = [values if array is None else array.flat[0] for array in (left, right)]
        values = _ARITHMETIC[operator](*operands).astype(np.float32)
    return node.input[0], values


def _is_identity(values: Floats, scale: np.float32, zero_point: int) -> bool:
    rounded: npt.NDArray[np.float32] = np.clip(np.rint(values / scale) + zero_point, 0, 255)
    return bool((rounded == _ALL).all())


def _drop_dead_nodes(model: onnx.ModelProto) -> None:
    outputs = {value.name for value in model.graph.output}
    while True:
        index = GraphIndex(model)
        dead = [
            node
            for node in model.graph.node
            if not any(name in index.consumers or name in outputs for name in node.output)
        ]
        if not dead:
            break
        for node in dead:
            model.graph.node.remove(node)
    drop_unused_initializers(model)
