"""What skl2onnx makes a graph of that answers otherwise, without a word: refused, with the reason."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from modelet.build.converters.parts import last, parts
from modelet.build.converters.targets import classes_of_targets


def refusal(estimator: Any) -> str | None:
    """Why an estimator cannot be converted, and what to do; None if nothing is known against it."""
    answering = last(estimator)
    if type(answering).__name__ in _EQUAL_TARGETS and len(set(classes_of_targets(answering))) > 1:
        name = type(answering).__name__
        return f"{name} has targets of different numbers of classes: make one model of each"
    for part in parts(estimator):
        name = type(part).__name__
        if name in _REASONS and (reason := _REASONS[name](part)):
            return f"{name} {reason}"
    return None


def _categorical(booster: Any) -> str:
    """skl2onnx reads the sets of a categorical split as a threshold."""
    categorical = getattr(booster, "is_categorical_", None)
    if categorical is None or not np.any(categorical):
        return ""
    return "splits by categories: put an OrdinalEncoder in front and leave out categorical_features"


def _indicator(imputer: Any) -> str:
    adds = imputer.add_indicator
    return "adds columns of what was missing (add_indicator), which skl2onnx leaves out" if adds else ""


def _outlier(classifier: Any) -> str:
    is_set = getattr(classifier, "outlier_label", None) is not None
    return "has an outlier_label, which skl2onnx leaves out" if is_set else ""


def _ties(transformer: Any) -> str:
    """Between equal quantiles skl2onnx takes another reference than scikit-learn."""
    quantiles = getattr(transformer, "quantiles_", np.empty((0, 0)))
    repeats = np.any(np.diff(quantiles.astype(np.float32), axis=0) == 0)
    return "has equal quantiles, where skl2onnx answers otherwise: use fewer n_quantiles" if repeats else ""


def _many_labels(network: Any) -> str:
    binarizer = getattr(network, "_label_binarizer", None)
    is_multilabel = getattr(binarizer, "y_type_", "").startswith("multilabel")
    return "answers several labels: make one model of each" if is_multilabel else ""


# Forests pad the probabilities, these do not.
_EQUAL_TARGETS = frozenset({"DecisionTreeClassifier", "ExtraTreeClassifier", "KNeighborsClassifier"})
_REASONS: Mapping[str, Callable[[Any], str]] = {
    "HistGradientBoostingClassifier": _categorical,
    "HistGradientBoostingRegressor": _categorical,
    "KNNImputer": _indicator,
    "MLPClassifier": _many_labels,
    "QuantileTransformer": _ties,
    "RadiusNeighborsClassifier": _outlier,
    "SimpleImputer": _indicator,
}
