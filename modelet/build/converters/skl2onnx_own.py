"""Converters of our own for estimators that skl2onnx 1.20 converts wrongly; they are used in place of its."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

from modelet.build.converters.columns import is_missing

Convert = Callable[[Any, Any, Any], None]
# What the operators of the machine learning domain take: strings, int64 and float32.
_KEYS = {"U": "keys_strings", "i": "keys_int64s", "f": "keys_floats"}


def select_columns(scope: Any, operator: Any, container: Any) -> None:
    """Convert a selection of columns. skl2onnx writes zeros where only the first column is selected."""
    selected = operator.raw_operator.get_support(indices=True)
    if not len(selected):
        raise ValueError(f"{type(operator.raw_operator).__name__} selects no column")
    _gather(scope, container, operator.inputs[0].full_name, selected, operator.outputs[0].full_name)


def encode_ordinals(scope: Any, operator: Any, container: Any) -> None:
    """Convert an `OrdinalEncoder`.

    skl2onnx numbers missing values like categories, whatever `encoded_missing_value` says, and takes the
    infrequent categories of another column where several come as one input.
    """
    encoder = operator.raw_operator
    encoded = [
        _encoded(scope, container, column, categories, codes, _unknown_code(encoder))
        for column, categories, codes in zip(
            _columns(scope, operator, container), encoder.categories_, _codes(encoder), strict=True
        )
    ]
    joined = scope.get_unique_variable_name("ordinals")
    container.add_node("Concat", encoded, joined, axis=1, op_version=13, name=joined)
    kind = Int64TensorType if np.issubdtype(encoder.dtype, np.integer) else FloatTensorType
    to = onnx.TensorProto.INT64 if kind is Int64TensorType else onnx.TensorProto.FLOAT
    container.add_node(
        "Cast", joined, operator.outputs[0].full_name, to=to, op_version=13, name=f"{joined}_cast"
    )


def tune_threshold(scope: Any, operator: Any, container: Any) -> None:
    """Convert a `TunedThresholdClassifierCV`. skl2onnx leaves the threshold out."""
    tuned = operator.raw_operator
    if not hasattr(tuned, "predict_proba"):
        raise ValueError(f"{type(tuned).__name__} has a threshold for scores that are no probabilities")
    inner = scope.declare_local_operator(sklearn_operator_name_map[type(tuned.estimator_)], tuned.estimator_)
    inner.inputs = operator.inputs
    kinds = [type(output.type) for output in operator.outputs]
    inner.outputs.extend(scope.declare_local_variable("tuned", kind()) for kind in kinds)
    label, probabilities = (output.full_name for output in operator.outputs)
    container.add_node("Identity", inner.outputs[1].onnx_name, probabilities, name=f"{probabilities}_copy")
    wanted = tuned._curve_scorer._get_pos_label()
    is_first = wanted is not None and wanted == tuned.classes_[0]
    positive, reached, index = (
        scope.get_unique_variable_name(name) for name in ("positive", "reached", "class_index")
    )
    _gather(scope, container, probabilities, np.array(0 if is_first else 1), positive)
    threshold = _constant(scope, container, onnx.TensorProto.FLOAT, [float(tuned.best_threshold_)])
    container.add_node("GreaterOrEqual", [positive, threshold], reached, op_version=16, name=reached)
    container.add_node("Cast", reached, index, to=onnx.TensorProto.INT64, op_version=13, name=index)
    named = tuned.classes_[::-1] if is_first else tuned.classes_
    if named.dtype.kind in "OUS":
        names = [str(name).encode() for name in named]
        classes = _constant(scope, container, onnx.TensorProto.STRING, names)
    else:
        classes = _constant(scope, container, onnx.TensorProto.INT64, [int(value) for value in named])
    container.add_node("Gather", [classes, index], label, axis=0, op_version=13, name=f"{label}_named")


def _constant(scope: Any, container: Any, kind: int, values: list[Any]) -> str:
    name: str = scope.get_unique_variable_name("constant")
    container.add_initializer(name, kind, [len(values)], values)
    return name


def _codes(encoder: Any) -> list[list[float]]:
    """What the encoder itself makes of each category: column by column, the others at their first one."""
    firsts = [categories[0] for categories in encoder.categories_]
    codes = []
    for position, categories in enumerate(encoder.categories_):
        table = np.empty((len(categories), len(firsts)), dtype=object)
        table[:] = firsts
        table[:, position] = categories
        codes.append([float(code) for code in encoder.transform(table)[:, position]])
    return codes


def _unknown_code(encoder: Any) -> float:
    """The code of unknown categories; where the encoder raises, a graph can only answer no number."""
    return float("nan") if encoder.unknown_value is None else float(encoder.unknown_value)


def _columns(scope: Any, operator: Any, container: Any) -> list[str]:
    """The names of tensors of one column each."""
    columns: list[str] = []
    for given in operator.inputs:
        width = given.get_second_dimension()
        if width == 1:
            columns.append(given.full_name)
            continue
        for position in range(width):
            columns.append(scope.get_unique_variable_name("column"))
            _gather(scope, container, given.full_name, np.array([position]), columns[-1])
    return columns


def _encoded(
    scope: Any, container: Any, column: str, categories: Any, codes: list[float], unknown: float
) -> str:
    texts = [("" if is_missing(value) else value) for value in categories.tolist()]
    is_text = categories.dtype.kind in "OUST"
    keys = np.array(texts) if is_text else categories
    made: str = scope.get_unique_variable_name("ordinal")
    container.add_node(
        "LabelEncoder",
        column,
        made,
        op_domain="ai.onnx.ml",
        op_version=2,
        name=made,
        values_floats=codes,
        default_float=unknown,
        **{_KEYS.get(keys.dtype.kind, "keys_int64s"): keys.tolist()},
    )
    return made


def _gather(scope: Any, container: Any, given: str, positions: Any, made: str) -> None:
    index = scope.get_unique_variable_name("positions")
    container.add_initializer(index, onnx.TensorProto.INT64, positions.shape, positions.reshape(-1))
    name = scope.get_unique_operator_name("Gather")
    container.add_node("Gather", [given, index], made, name=name, op_version=13, axis=1)


OWN: Mapping[str, Convert] = {
    "SklearnOrdinalEncoder": encode_ordinals,
    "SklearnTunedThresholdClassifierCV": tune_threshold,
    **dict.fromkeys(
        (
            "SklearnGenericUnivariateSelect",
            "SklearnRFE",
            "SklearnRFECV",
            "SklearnSelectFdr",
            "SklearnSelectFpr",
            "SklearnSelectFromModel",
            "SklearnSelectFwe",
            "SklearnSelectKBest",
            "SklearnSelectPercentile",
            "SklearnVarianceThreshold",
        ),
        select_columns,
    ),
}
