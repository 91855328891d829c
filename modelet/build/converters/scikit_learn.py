"""A fitted scikit-learn estimator or pipeline: exported by skl2onnx, answered by its own methods."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import onnx

from modelet.build.arrays import to_array
from modelet.build.converters import answers
from modelet.build.converters.columns import Columns, columns_of, selects_columns
from modelet.build.converters.parts import searched
from modelet.build.converters.renaming import rename
from modelet.build.converters.skl2onnx_graph import (
    convert,
    drop_unused_inputs,
    flatten,
    join_columns,
)
from modelet.build.converters.skl2onnx_refusals import refusal
from modelet.build.converters.tables import separate_names, table_of
from modelet.build.converters.targets import classes_of_targets, is_multilabel, split_probabilities
from modelet.errors import OwnerCodeFailed
from modelet_runtime.tensor import Tensor

_SINGLE_INPUTS = {"float": "features", "int": "features", "string": "text"}


class Estimator:
    """A fitted estimator.

    An estimator fitted on a table with named columns gets one input per column; any other gets the one
    input `features` (or `text` if it takes texts). A missing string is an empty one.
    """

    kind = "sklearn"

    def __init__(self, estimator: Any) -> None:
        self._estimator = searched(estimator)

    def export(self) -> onnx.ModelProto:
        """Convert with skl2onnx, probabilities as a tensor.

        Raises:
            OwnerCodeFailed: skl2onnx has no converter for a part of it, or a wrong one.
        """
        return self._exported

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Answer with the estimator's own `predict`, `predict_proba`, `transform`, ..."""
        table = table_of(self._columns, {tensor.name: to_array(tensor) for tensor in inputs})
        outputs = self._exported.graph.output  # they say what the answers are cast to
        values: list[Any] = []
        for method in answers.methods(self._estimator)[: len(outputs)]:
            value = answers.answer(method, table)
            values.extend(value if isinstance(value, list) else [value])
        return [answers.fit(value, output) for value, output in zip(values, outputs, strict=True)]

    @cached_property
    def _exported(self) -> onnx.ModelProto:
        if reason := refusal(self._estimator):
            raise OwnerCodeFailed(reason)
        columns = self._columns
        kinds = set(columns.kinds)
        if selects_columns(self._estimator) or len(kinds) > 1:
            names = separate_names(columns)
            model = convert(self._estimator, list(zip(names, columns.kinds, strict=True)), width=1)
            # skl2onnx makes identifiers of the columns' names.
            made = [value.name for value in model.graph.input]
            model = rename(drop_unused_inputs(model), dict(zip(made, names, strict=True)))
        else:
            [kind] = kinds
            model = convert(self._estimator, [(_SINGLE_INPUTS[kind], kind)], width=len(columns.kinds))
            model = join_columns(model, columns.names) if columns.names else model
        return self._with_true_outputs(model)

    @cached_property
    def _columns(self) -> Columns:
        try:
            return columns_of(self._estimator)
        except ValueError as error:
            raise OwnerCodeFailed(str(error)) from error

    def _with_true_outputs(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Mend the outputs: a label per row, probabilities per target, and only true probabilities."""
        estimator = self._estimator
        if classes := classes_of_targets(estimator):
            return split_probabilities(model, classes)
        if answers.answers_labels(estimator) and not is_multilabel(estimator):
            flatten(model, model.graph.output[0].name)
        if answers.answers_labels(estimator) and not answers.has_true_probabilities(estimator):
            self._without_false_probabilities(model)
        return model

    def _without_false_probabilities(self, model: onnx.ModelProto) -> None:
        """Mend what skl2onnx calls the probabilities of a classifier that has none."""
        label, scores = model.graph.output
        if answers.has_comparable_scores(self._estimator):
            rename(model, {scores.name: "scores"})
        else:
            model.graph.ClearField("output")
            model.graph.output.append(label)
