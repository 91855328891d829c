"""Lookup tables in int8 with a scale per row: a lookup reads a few rows, so decoding them costs nothing."""

from collections.abc import Collection

import numpy as np
import onnx
from onnx import helper, numpy_helper

from modelet.build.quantise.graph import GraphIndex, copy, replace_nodes

_LARGEST = 127.0


def quantise_tables(model: onnx.ModelProto, nodes: Collection[str]) -> onnx.ModelProto:
    """A new model whose Gathers read int8 rows and multiply them by their scale; standard operators only.

    Args:
        model: A prepared graph, or one that is quantised otherwise.
        nodes: Names of the Gathers, as `targets.tables` gives them.
    """
    quantised = copy(model)
    index = GraphIndex(quantised)
    stored: set[str] = set()
    replacements = {}
    for name in nodes:
        node = index.nodes[name]
        if node.input[0] not in stored:
            _store(index, node.input[0])
            stored.add(node.input[0])
        replacements[name] = _lookup(node)
    if replacements:
        replace_nodes(quantised, replacements)
    return quantised


def _store(index: GraphIndex, table: str) -> None:
    rows = index.array(table)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / np.float32(_LARGEST), 1).astype(np.float32)
    integers = np.clip(np.rint(rows / scales), -_LARGEST, _LARGEST).astype(np.int8)
    index.model.graph.initializer.extend(
        [
            numpy_helper.from_array(integers, f"{table}_rows"),
            numpy_helper.from_array(scales, f"{table}_scales"),
        ]
    )


def _lookup(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    table, indices = node.input
    rows, floats, scales = f"{node.name}_rows", f"{node.name}_floats", f"{node.name}_scales"
    return [
        helper.make_node("Gather", [f"{table}_rows", indices], [rows], node.name, axis=0),
        helper.make_node("Gather", [f"{table}_scales", indices], [scales], scales, axis=0),
        helper.make_node("Cast", [rows], [floats], floats, to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [floats, scales], node.output, f"{node.name}_scaled"),
    ]
