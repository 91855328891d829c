"""Classifiers of several targets: a column of labels, and a tensor of probabilities, for each."""

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import helper

_PROBABILITIES = "probabilities"


def classes_of_targets(estimator: Any) -> list[int]:
    """How many classes each target has; empty for a single target."""
    classes = getattr(estimator, "classes_", None)
    return [len(known) for known in classes] if isinstance(classes, list) else []


def is_multilabel(estimator: Any) -> bool:
    """Whether a row can have several labels at once, as `OneVsRestClassifier` over a matrix of them."""
    return bool(getattr(estimator, "multilabel_", False))


def split_probabilities(model: onnx.ModelProto, classes: Sequence[int]) -> onnx.ModelProto:
    """Give each target an output `probabilities_<target>` of `float32[rows, classes]`, in place.

    skl2onnx writes them as one sequence, or as `float32[targets, rows, most classes]`.
    """
    label, stacked = model.graph.output
    names = [f"{_PROBABILITIES}_{target}" for target in range(len(classes))]
    [producer] = [node for node in model.graph.node if stacked.name in node.output]
    stack = stacked.name if producer.op_type != "Cast" else _before_casts(model, producer)
    if producer.op_type == "SequenceConstruct":
        made = [
            helper.make_node("Identity", [given], [name])
            for given, name in zip(producer.input, names, strict=True)
        ]
        model.graph.node.remove(producer)
    else:
        made = [
            node
            for target, (name, count) in enumerate(zip(names, classes, strict=True))
            for node in _cut_out(model, stack, target, name, count)
        ]
    model.graph.node.extend(made)
    model.graph.ClearField("output")
    model.graph.output.append(label)
    model.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, count])
        for name, count in zip(names, classes, strict=True)
    )
    return model


def _cut_out(
    model: onnx.ModelProto, stacked: str, target: int, name: str, count: int
) -> list[onnx.NodeProto]:
    """One target of the stack, without the classes that only other targets have."""
    constants = {"index": (target, []), "start": (0, [1]), "end": (count, [1]), "axis": (1, [1])}
    for constant, (value, shape) in constants.items():
        model.graph.initializer.append(
            helper.make_tensor(f"{name}_{constant}", onnx.TensorProto.INT64, shape, [value])
        )
    return [
        helper.make_node("Gather", [stacked, f"{name}_index"], [f"{name}_all"], axis=0),
        helper.make_node("Slice", [f"{name}_all", f"{name}_start", f"{name}_end", f"{name}_axis"], [name]),
    ]


def _before_casts(model: onnx.ModelProto, cast: onnx.NodeProto) -> str:
    """The true probabilities of a single tree, of which skl2onnx only tells which are not 0."""
    [first] = [node for node in model.graph.node if cast.input[0] in node.output]
    model.graph.node.remove(cast)
    model.graph.node.remove(first)
    return str(first.input[0])
