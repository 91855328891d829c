"""A fitted scikit-learn estimator or pipeline: exported by skl2onnx, answered by its own methods."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import onnx
import pandas as pd
import skl2onnx
from skl2onnx.common import _container
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

from modelet.build.arrays import to_array, to_tensor
from modelet.build.converters.columns import Columns, Kind, columns_of, selects_columns
from modelet.errors import OwnerCodeFailed
from modelet_runtime.tensor import Tensor

# The newest that skl2onnx is tested with; it writes trees in version 3 of the machine learning domain.
# Source: https://onnx.ai/sklearn-onnx/supported.html
OPSETS = {"": 22, "ai.onnx.ml": 3}
_TYPES = {"float": FloatTensorType, "int": Int64TensorType, "string": StringTensorType}
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
        columns = self._columns
        if isinstance(getattr(self._estimator, "classes_", None), list):
            raise OwnerCodeFailed(f"{self._name} answers several targets", "make one model of each")
        kinds = set(columns.kinds)
        if selects_columns(self._estimator) or len(kinds) > 1:
            names = columns.names or [f"feature_{i}" for i in range(len(columns.kinds))]
            model = self._convert(list(zip(names, columns.kinds, strict=True)), width=1)
            model = _rename_inputs(model, names)
        else:
            [kind] = kinds
            model = self._convert([(_SINGLE_INPUTS[kind], kind)], width=len(columns.kinds))
            model = _join_columns(model, columns.names) if columns.names else model
        return model if hasattr(self._estimator, "predict_proba") else self._with_true_scores(model)

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Answer with the estimator's own `predict`, `predict_proba`, `transform`, ..."""
        table = self._table(inputs)
        return [
            _fit(_answer(method, table), value)
            for method, value in zip(self._methods(), self._outputs, strict=False)
        ]

    @cached_property
    def _outputs(self) -> Sequence[onnx.ValueInfoProto]:
        """The outputs of the exported graph, which say what the answers are cast to."""
        return list(self.export().graph.output)

    @property
    def _name(self) -> str:
        return type(self._estimator).__name__

    @cached_property
    def _columns(self) -> Columns:
        try:
            return columns_of(self._estimator)
        except ValueError as error:
            raise OwnerCodeFailed(str(error), "return a fitted estimator") from error

    def _convert(self, inputs: Sequence[tuple[str, Kind]], width: int) -> onnx.ModelProto:
        types = [(name, _TYPES[kind]([None, width])) for name, kind in inputs]
        try:
            with _plain_integers():
                try:
                    return self._converted(types, {"zipmap": False})
                except NameError:  # the estimator has no ZipMap to leave out
                    return self._converted(types, None)
        except Exception as error:  # skl2onnx raises whatever its converters run into
            raise OwnerCodeFailed(
                f"skl2onnx cannot convert {self._name}: {_text(error)}",
                "see https://onnx.ai/sklearn-onnx/supported.html for what it takes",
            ) from error

    def _converted(
        self, types: Sequence[tuple[str, Any]], options: dict[str, bool] | None
    ) -> onnx.ModelProto:
        model: onnx.ModelProto = skl2onnx.convert_sklearn(
            self._estimator, name="graph", initial_types=types, options=options, target_opset=OPSETS
        )
        return model

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
            _rename(model, {scores.name: "scores"})
        return model

    def _methods(self) -> list[Callable[[Any], Any]]:
        """What computes each output, in skl2onnx's order of outputs."""
        estimator = self._estimator
        if is_classifier(estimator) or hasattr(estimator, "predict_proba"):
            return [
                estimator.predict,
                getattr(estimator, "predict_proba", None) or estimator.decision_function,
            ]
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


def _rename_inputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Give the inputs their columns' names back, of which skl2onnx makes identifiers."""
    return _rename(model, {value.name: name for value, name in zip(model.graph.input, names, strict=True)})


def _rename(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return model


def _join_columns(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Put one input per column in front of a graph that takes them side by side."""
    [joined] = model.graph.input
    kind = joined.type.tensor_type.elem_type
    columns = [onnx.helper.make_tensor_value_info(name, kind, [None, 1]) for name in names]
    inner = f"{re.sub('[^a-z]', '', joined.name)}_joined"
    for node in model.graph.node:
        node.input[:] = [inner if name == joined.name else name for name in node.input]
    model.graph.ClearField("input")
    model.graph.input.extend(columns)
    model.graph.node.insert(0, onnx.helper.make_node("Concat", list(names), [inner], axis=1))
    return model


@contextmanager
def _plain_integers() -> Iterator[None]:
    """Let skl2onnx 1.20 write histogram gradient boosting: protobuf 7 takes no booleans for integers."""
    make_node = _container.make_node

    def make_plain_node(*arguments: Any, **attributes: Any) -> onnx.NodeProto:
        plain = {
            key: [int(item) if isinstance(item, bool | np.bool_) else item for item in value]
            if isinstance(value, list)
            else value
            for key, value in attributes.items()
        }
        node: onnx.NodeProto = make_node(*arguments, **plain)
        return node

    _container.make_node = make_plain_node
    try:
        yield
    finally:
        _container.make_node = make_node


def _text(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
