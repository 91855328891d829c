"""What a fitted scikit-learn estimator itself answers, output by output as skl2onnx orders them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pandas as pd
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.feature_selection import SelectorMixin

from modelet.build.arrays import to_tensor
from modelet.build.converters.parts import last
from modelet_runtime.tensor import Tensor

Method = Callable[[Any], Any]
_BINARY = 2


def answers_labels(estimator: Any) -> bool:
    """Whether its first answer is a label per row; a selection of columns by a classifier's is not."""
    if isinstance(last(estimator), SelectorMixin):
        return False
    is_any = (is_classifier, is_clusterer, is_outlier_detector)
    return hasattr(estimator, "predict_proba") or any(is_one(estimator) for is_one in is_any)


def has_true_probabilities(estimator: Any) -> bool:
    """Whether the second answer of a classifier is `predict_proba`."""
    return hasattr(estimator, "predict_proba") or not is_classifier(estimator)


def has_comparable_scores(estimator: Any) -> bool:
    """Whether a classifier's scores mean the same to skl2onnx.

    For two classes the sign of the decision function depends on the estimator; voters may have none.
    """
    return hasattr(estimator, "decision_function") and len(estimator.classes_) > _BINARY


def methods(estimator: Any) -> list[Method]:
    """What computes each output, in skl2onnx's order of outputs."""
    if answers_labels(estimator):
        names = ("predict_proba", "decision_function", "transform")
        scores = [getattr(estimator, name) for name in names if hasattr(estimator, name)]
        return [estimator.predict, *scores[:1]]
    if is_regressor(estimator) and not isinstance(last(estimator), SelectorMixin):
        return [estimator.predict]
    if hasattr(estimator, "transform"):
        return [estimator.transform]
    return [lambda table: estimator.kneighbors(table)[1], lambda table: estimator.kneighbors(table)[0]]


def answer(method: Method, table: Any) -> Any:
    """Call a method in double precision, as a user's table is; some take only what they were fitted on."""
    try:
        return method(_as_written(table))
    except ValueError:
        return method(table)


def fit(value: Any, output: onnx.ValueInfoProto) -> Tensor:
    """An estimator's answer in the form of the graph's output."""
    array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
    if array.ndim == 1 and len(output.type.tensor_type.shape.dim) > 1:
        array = array[:, None]
    if array.dtype.kind not in "OUST":
        array = array.astype(onnx.helper.tensor_dtype_to_np_dtype(output.type.tensor_type.elem_type))
    return to_tensor(output.name, array)


def _as_written(table: Any) -> Any:
    """The doubles that people wrote: the shortest decimals that are these floats.

    4.4 as a float and as a double are not equal, and categories and quantiles are compared for equality.
    """
    if isinstance(table, pd.DataFrame):
        floats = table.select_dtypes("float32").columns
        return table.assign(**{name: _decimals(table[name].to_numpy()) for name in floats})
    return _decimals(table) if isinstance(table, np.ndarray) and table.dtype == np.float32 else table


def _decimals(floats: "np.ndarray[Any, np.dtype[np.float32]]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    return floats.astype(str).astype(np.float64)
