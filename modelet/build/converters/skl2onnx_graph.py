"""skl2onnx, as it is called here, and what is mended in the graphs it writes."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

from modelet.build.converters.columns import Kind
from modelet.build.converters.renaming import free, rename, tensors
from modelet.build.converters.skl2onnx_mends import mended
from modelet.errors import OwnerCodeFailed

# The newest that skl2onnx is tested with; it writes trees in version 3 of the machine learning domain.
# Source: https://onnx.ai/sklearn-onnx/supported.html
OPSETS = {"": 22, "ai.onnx.ml": 3}
_LIST = "see https://onnx.ai/sklearn-onnx/supported.html for what it takes"
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
        with mended():
            try:
                return _converted(estimator, types, {"zipmap": False})
            except NameError:  # the estimator has no ZipMap to leave out
                return _converted(estimator, types, None)
    except Exception as error:  # skl2onnx raises whatever its converters run into
        lines = str(error).strip().splitlines() or [type(error).__name__]
        takes_one = "at most 1 input" in lines[0]
        raise OwnerCodeFailed(
            f"skl2onnx cannot convert {type(estimator).__name__}: {lines[0][:300]}",
            "put the ColumnTransformer first: make_pipeline(transformer, the rest)" if takes_one else _LIST,
        ) from error


def join_columns(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Put one input per column in front of a graph that takes them side by side, in place."""
    [joined] = model.graph.input
    kind, inner = joined.type.tensor_type.elem_type, free("columns", tensors(model) | set(names))
    rename(model, {joined.name: inner} | {name: free(name, tensors(model)) for name in names})
    model.graph.ClearField("input")
    model.graph.input.extend(onnx.helper.make_tensor_value_info(name, kind, [None, 1]) for name in names)
    model.graph.node.insert(0, onnx.helper.make_node("Concat", list(names), [inner], axis=1))
    return model


def drop_unused_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Leave out inputs that no node reads: columns that the estimator drops, in place."""
    read = {name for node in model.graph.node for name in node.input}
    kept = [value for value in model.graph.input if value.name in read]
    model.graph.ClearField("input")
    model.graph.input.extend(kept)
    return model


def flatten(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Make an output one value per row, in place."""
    [output] = [value for value in model.graph.output if value.name == name]
    if len(output.type.tensor_type.shape.dim) == 1:
        return model
    taken = tensors(model)
    inner, shape = free(f"{name}_column", taken), free(f"{name}_shape", taken)
    position = list(model.graph.output).index(output)
    kind = output.type.tensor_type.elem_type
    rename(model, {name: inner})
    model.graph.initializer.append(onnx.helper.make_tensor(shape, onnx.TensorProto.INT64, [1], [-1]))
    model.graph.node.append(onnx.helper.make_node("Reshape", [inner, shape], [name]))
    model.graph.output[position].CopyFrom(onnx.helper.make_tensor_value_info(name, kind, [None]))
    return model


def _converted(
    estimator: Any, types: Sequence[tuple[str, Any]], options: Mapping[str, bool] | None
) -> onnx.ModelProto:
    model: onnx.ModelProto = skl2onnx.convert_sklearn(
        estimator, name="graph", initial_types=types, options=options, target_opset=OPSETS
    )
    return model
