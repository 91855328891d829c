"""Writes nodes into a graph under names that nothing else has."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, inliner, numpy_helper, version_converter

from modelet.build import walk
from modelet.errors import GraphRefused
from modelet_runtime.tensor import Datatype

# From here on softmax has one axis, and axes to sum over or to add are inputs.
# Source: https://onnx.ai/onnx/operators/
LEAST_OPSET = 13
_LEAST_IR = 7
_AXES_ARE_INPUTS_OF_REDUCTIONS = 18


class Editor:
    """One graph under the knife.

    Attributes:
        model: The model, changed in place.
        opset: Its version of the standard operators.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        [self.opset] = _opsets(model)
        self._names = set(_names(model))

    def fresh(self, stem: str) -> str:
        """A name that no tensor of the graph has."""
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        return name

    def prepend(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """Put nodes in front of all others."""
        others = list(self.model.graph.node)
        del self.model.graph.node[:]
        self.model.graph.node.extend([*nodes, *others])

    def settle(self, tensors: Sequence[tuple[str, str]]) -> None:
        """Give tensors the names by which they are known outside; whatever has such a name gets another.

        Args:
            tensors: The name and the tensor of each input and output.
        """
        moved: list[tuple[str, str]] = []
        seen: set[str] = set()
        for name, tensor in tensors:
            if tensor in seen:
                twin = self.fresh(f"{name}_twin")
                self.model.graph.node.append(helper.make_node("Identity", [tensor], [twin], name=twin))
                moved.append((name, twin))
            elif tensor != name:
                moved.append((name, tensor))
            seen.add(tensor)
        # In two rounds, because two tensors may change their names.
        spare = [self.fresh(f"{name}_spare") for name, _ in moved]
        for (_, tensor), other in zip(moved, spare, strict=True):
            self.rename(tensor, other)
        for (name, _), other in zip(moved, spare, strict=True):
            if name in self._names:
                self.rename(name, self.fresh(f"{name}_inner"))
            self.rename(other, name)

    def rename(self, old: str, new: str) -> None:
        """Rename a tensor of the main graph wherever it is made or used, subgraphs included."""
        self._names.discard(old)
        self._names.add(new)
        for graph in walk.graphs(self.model):
            for node in graph.node:
                node.input[:] = [new if name == old else name for name in node.input]
                node.output[:] = [new if name == old else name for name in node.output]
            for info in (*graph.initializer, *graph.value_info, *graph.output):
                if info.name == old:
                    info.name = new


class Builder:
    """The nodes of one step, in order.

    Attributes:
        nodes: What was added.
        opset: The graph's version of the standard operators.
    """

    def __init__(self, editor: Editor, stem: str) -> None:
        """Begin a step.

        Args:
            editor: The graph.
            stem: What the names of new tensors begin with.
        """
        self._editor = editor
        self._stem = stem
        self.nodes: list[onnx.NodeProto] = []
        self.opset = editor.opset

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output; gives the output's tensor."""
        return self.add_many(operator, *inputs, outputs=1, **attributes)[0]

    def add_many(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Add a node of several outputs; gives their tensors."""
        made = [self.fresh(operator.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, made, name=made[0], **attributes))
        return made

    def constant(self, what: str, value: npt.ArrayLike, datatype: Datatype | None = None) -> str:
        """Add a constant; by default of the array's own type."""
        array = np.asarray(value)
        if datatype is not None and datatype.size:
            array = array.astype(helper.tensor_dtype_to_np_dtype(datatype.onnx_type))
        name = self.fresh(what)
        self._editor.model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def cast(self, tensor: str, before: Datatype, after: Datatype) -> str:
        """Add a conversion, if there is something to convert."""
        return tensor if before is after else self.add("Cast", tensor, to=after.onnx_type)

    def reduce(self, operator: str, tensor: str, axis: int, keep: bool) -> str:
        """Add a reduction over one axis."""
        if operator == "ReduceSum" or self.opset >= _AXES_ARE_INPUTS_OF_REDUCTIONS:
            return self.add(operator, tensor, self.constant("axes", [axis]), keepdims=int(keep))
        return self.add(operator, tensor, axes=[axis], keepdims=int(keep))

    def fresh(self, what: str) -> str:
        """A new name for a tensor of this step."""
        return self._editor.fresh(f"{self._stem}_{what}")


def modernise(model: onnx.ModelProto) -> None:
    """Make a graph one that nodes can be added to, in place: of one scope, its operators not too old.

    Raises:
        GraphRefused: Its operators cannot be converted.
    """
    if model.functions:
        model.CopyFrom(inliner.inline_local_functions(model))
    if not _opsets(model):  # all operators are those of machine learning
        model.opset_import.append(helper.make_opsetid("", LEAST_OPSET))
    if _opsets(model)[0] < LEAST_OPSET:
        try:
            model.CopyFrom(version_converter.convert_version(model, LEAST_OPSET))
        except Exception as error:  # the converter's errors share no base but Exception
            raise GraphRefused(
                f"graph steps need operator set {LEAST_OPSET} or newer, and the graph has"
                f" {_opsets(model)[0]}: {' '.join(str(error).split())[:200]}",
                "export it again with a newer one",
            ) from error
    model.ir_version = max(model.ir_version, _LEAST_IR)


def _opsets(model: onnx.ModelProto) -> list[int]:
    """The version of the standard operators, if the graph has any."""
    return [entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]


def _names(model: onnx.ModelProto) -> Iterable[str]:
    for graph in walk.graphs(model):
        for node in graph.node:
            yield from (*node.input, *node.output)
        for info in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
            yield info.name
