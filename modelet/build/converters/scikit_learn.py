"""A fitted scikit-learn estimator or pipeline: exported by skl2onnx, answered by its own methods."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx
import pandas as pd
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

from modelet.build.arrays import to_array, to_tensor
from modelet.build.converters.columns import Columns, columns_of, selects_columns
from modelet.build.converters.skl2onnx_graph import convert, join_columns, rename
from modelet.errors import OwnerCodeFailed
from modelet_runtime.tensor import Tensor

_SINGLE_INPUTS = {"float": "features", "int": "features", "string": "text"}
_BINARY = 2


class Estimator:
    """A fitted estimator.

    An estimator fitted on a table with named columns gets one input per column; any other gets the one
    input `features` (or `text` if it takes texts).
    """

    kind = "sklearn"

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def export(self) -> onnx.ModelProto:
        """Convert with skl2onnx, probabilities as a tensor.

        Raises:
            OwnerCodeFailed: skl2onnx has no converter for a part of it.
        """
        return self._exported

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Answer with the estimator's own `predict`, `predict_proba`, `transform`, ..."""
        table = self._table(inputs)
        outputs = self._exported.graph.output  # they say what the answers are cast to
        methods = self._methods()[: len(outputs)]
        return [_fit(_answer(method, table), value) for method, value in zip(methods, outputs, strict=True)]

    @cached_property
    def _exported(self) -> onnx.ModelProto:
        columns = self._columns
        if isinstance(getattr(self._estimator, "classes_", None), list):
            raise OwnerCodeFailed(f"{self._name} answers several targets", "make one model of each")
        kinds = set(columns.kinds)
        if selects_columns(self._estimator) or len(kinds) > 1:
            names = columns.names or [f"feature_{i}" for i in range(len(columns.kinds))]
            model = convert(self._estimator, list(zip(names, columns.kinds, strict=True)), width=1)
            # skl2onnx makes identifiers of the columns' names.
            made = [value.name for value in model.graph.input]
            model = rename(model, dict(zip(made, names, strict=True)))
        else:
            [kind] = kinds
            model = convert(self._estimator, [(_SINGLE_INPUTS[kind], kind)], width=len(columns.kinds))
            model = join_columns(model, columns.names) if columns.names else model
        return model if hasattr(self._estimator, "predict_proba") else self._with_true_scores(model)

    @property
    def _name(self) -> str:
        return type(self._estimator).__name__

    @cached_property
    def _columns(self) -> Columns:
        try:
            return columns_of(self._estimator)
        except ValueError as error:
            raise OwnerCodeFailed(str(error)) from error

    def _with_true_scores(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Mend what skl2onnx calls the probabilities of a classifier that has none.

        They are the decision function. For two classes its sign depends on the estimator, so only the
        label is left.
        """
        if not is_classifier(self._estimator):
            return model
        label, scores = model.graph.output
        if len(self._estimator.classes_) == _BINARY:
            model.graph.ClearField("output")
            model.graph.output.append(label)
        else:
            rename(model, {scores.name: "scores"})
        return model

    def _methods(self) -> list[Callable[[Any], Any]]:
        """What computes each output, in skl2onnx's order of outputs."""
        estimator = self._estimator
        if is_classifier(estimator) or hasattr(estimator, "predict_proba"):
            scores = "predict_proba" if hasattr(estimator, "predict_proba") else "decision_function"
            return [estimator.predict, getattr(estimator, scores)]
        if is_outlier_detector(estimator):
            return [estimator.predict, estimator.decision_function]
        if is_clusterer(estimator):
            return [estimator.predict, estimator.transform]
        return [estimator.predict if is_regressor(estimator) else estimator.transform]

    def _table(self, inputs: Sequence[Tensor]) -> Any:
        """The inputs as the estimator was fitted on: a table, an array, or a list of texts."""
        arrays = {tensor.name: to_array(tensor) for tensor in inputs}
        if self._columns.is_text:
            [texts] = arrays.values()
            return texts.reshape(-1).tolist()
        if self._columns.names:
            return pd.DataFrame({name: arrays[name].reshape(-1) for name in self._columns.names})
        return np.concatenate(list(arrays.values()), axis=1)


def _answer(method: Callable[[Any], Any], table: Any) -> Any:
    """Call a method in double precision, as a user's table is; some take only what they were fitted on."""
    try:
        return method(_as_double(table))
    except ValueError:
        return method(table)


def _as_double(table: Any) -> Any:
    if isinstance(table, pd.DataFrame):
        return table.astype(dict.fromkeys(table.select_dtypes("float32").columns, "float64"))
    return table.astype(np.float64) if isinstance(table, np.ndarray) and table.dtype.kind == "f" else table


def _fit(answer: Any, value: onnx.ValueInfoProto) -> Tensor:
    """An estimator's answer in the form of the graph's output."""
    array = np.asarray(answer)
    if array.ndim == 1 and len(value.type.tensor_type.shape.dim) > 1:
        array = array[:, None]
    if array.dtype.kind not in "OUST":
        array = array.astype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    return to_tensor(value.name, array)
