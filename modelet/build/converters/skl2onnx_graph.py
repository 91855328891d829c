"""skl2onnx, as it is called here, and what is mended in the graphs it writes."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import skl2onnx
from skl2onnx.common import _container
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

from modelet.build.converters.columns import Kind
from modelet.errors import OwnerCodeFailed

# The newest that skl2onnx is tested with; it writes trees in version 3 of the machine learning domain.
# Source: https://onnx.ai/sklearn-onnx/supported.html
OPSETS = {"": 22, "ai.onnx.ml": 3}
_TYPES = {"float": FloatTensorType, "int": Int64TensorType, "string": StringTensorType}


def convert(estimator: Any, inputs: Sequence[tuple[str, Kind]], width: int) -> onnx.ModelProto:
    """Convert a fitted estimator, probabilities as a tensor.

    Args:
        estimator: The estimator.
        inputs: Name and kind of each input.
        width: Columns of each input.

    Raises:
        OwnerCodeFailed: skl2onnx has no converter for a part of it.
    """
    types = [(name, _TYPES[kind]([None, width])) for name, kind in inputs]
    try:
        with _mended():
            try:
                return _converted(estimator, types, {"zipmap": False})
            except NameError:  # the estimator has no ZipMap to leave out
                return _converted(estimator, types, None)
    except Exception as error:  # skl2onnx raises whatever its converters run into
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise OwnerCodeFailed(
            f"skl2onnx cannot convert {type(estimator).__name__}: {lines[0][:300]}",
            "see https://onnx.ai/sklearn-onnx/supported.html for what it takes",
        ) from error


def rename(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    """Rename tensors of the main graph, in place."""
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return model


def join_columns(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Put one input per column in front of a graph that takes them side by side, in place."""
    [joined] = model.graph.input
    kind, inner = joined.type.tensor_type.elem_type, "_columns"
    rename(model, {joined.name: inner})
    model.graph.ClearField("input")
    model.graph.input.extend(onnx.helper.make_tensor_value_info(name, kind, [None, 1]) for name in names)
    model.graph.node.insert(0, onnx.helper.make_node("Concat", list(names), [inner], axis=1))
    return model


def _converted(
    estimator: Any, types: Sequence[tuple[str, Any]], options: Mapping[str, bool] | None
) -> onnx.ModelProto:
    model: onnx.ModelProto = skl2onnx.convert_sklearn(
        estimator, name="graph", initial_types=types, options=options, target_opset=OPSETS
    )
    return model


@contextmanager
def _mended() -> Iterator[None]:
    """Let skl2onnx 1.20 work with newer libraries.

    protobuf 7 takes no booleans for integers, which histogram gradient boosting is written with, and
    scikit-learn 1.9 warns of attributes that skl2onnx reads.
    """
    make_node = _container.make_node
    _container.make_node = lambda *arguments, **attributes: make_node(
        *arguments, **{name: _plain(value) for name, value in attributes.items()}
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _container.make_node = make_node


def _plain(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [int(item) if isinstance(item, bool | np.bool_) else item for item in value]
