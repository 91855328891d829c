"""What is mended in skl2onnx 1.20 while it converts; each mend says what would be wrong without it.

Nothing of this stays: the library is as it was when the block ends.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxMax
from skl2onnx.common import _container
from skl2onnx.common._registration import _converter_pool as converters
from skl2onnx.common.tree_ensemble import sklearn_threshold
from skl2onnx.operator_converters import (
    decision_tree,
    gradient_boosting,
    isolation_forest,
    nearest_neighbours,
    random_forest,
)

from modelet.build.converters.columns import is_missing
from modelet.build.converters.skl2onnx_own import OWN

Function = Callable[..., Any]
_MISSING_TRACKS = "nodes_missing_value_tracks_true"


@contextmanager
def mended() -> Iterator[None]:
    """Mend skl2onnx for the time of the block."""
    with ExitStack() as undo, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn 1.9 warns of attributes that skl2onnx reads
        undo.enter_context(_replaced(_container, "make_node", _with_integers))
        for module in (decision_tree, gradient_boosting, isolation_forest, random_forest):
            undo.enter_context(_replaced(module, "add_tree_to_attribute_pairs", _with_missing_in_forests))
        undo.enter_context(_replaced(decision_tree, "populate_tree_attributes", _with_missing_in_trees))
        radius = "onnx_nearest_neighbors_indices_radius"
        undo.enter_context(_replaced(nearest_neighbours, radius, _with_indices_in_range))
        for name, changes in _ATTRIBUTES.items():
            undo.enter_context(_replaced(converters[name], "_fct", _with_attributes(changes)))
        for name, own in OWN.items():
            undo.enter_context(_replaced(converters[name], "_fct", partial(_instead, own)))
        yield


@contextmanager
def _replaced(owner: Any, name: str, make: Callable[[Function], Function]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def _instead(own: Function, original: Function) -> Function:
    return own


def _with_integers(make_node: Function) -> Function:
    """Protobuf 7 takes no booleans for integers, which histogram gradient boosting is written with."""

    def make(*arguments: Any, **attributes: Any) -> Any:
        return make_node(*arguments, **{name: _plain(value) for name, value in attributes.items()})

    return make


def _plain(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [int(item) if isinstance(item, bool | np.bool_) else item for item in value]


def _with_missing_in_forests(add_tree: Function) -> Function:
    """A missing value goes to the right, wherever the tree learned to send it."""

    def add(attributes: Any, is_classifier: bool, tree: Any, *rest: Any, **more: Any) -> None:
        add_tree(attributes, is_classifier, tree, *rest, **more)
        attributes[_MISSING_TRACKS][-tree.node_count :] = _missing_goes_left(tree)

    return add


def _with_missing_in_trees(populate: Function) -> Function:
    """The same for trees of several targets, whose thresholds also are not rounded down to floats."""

    def fill(model: Any, name: str, dtype: Any) -> Any:
        attributes = populate(model, name, dtype)
        attributes["nodes_values"] = [
            value if mode == "LEAF" else sklearn_threshold(value, np.float32, mode)
            for value, mode in zip(attributes["nodes_values"], attributes["nodes_modes"], strict=True)
        ]
        attributes[_MISSING_TRACKS] = _missing_goes_left(model.tree_)
        return attributes

    return fill


def _missing_goes_left(tree: Any) -> list[int]:
    is_branch = tree.children_left != tree.children_right
    return [int(goes) for goes in tree.missing_go_to_left * is_branch]


def _with_indices_in_range(search: Function) -> Function:
    """The index of what is no neighbour is -1, which ONNX Runtime does not take; its weight is 0."""

    def find(*arguments: Any, **options: Any) -> Any:
        indices, distances, weights = search(*arguments, **options)
        first = np.array([0], dtype=np.int64)
        return OnnxMax(indices, first, op_version=options["op_version"]), distances, weights

    return find


def _with_attributes(changes: Callable[[Any], Mapping[str, Any]]) -> Callable[[Function], Function]:
    """Convert with other attributes than the estimator has."""

    def make(convert: Function) -> Function:
        def converted(scope: Any, operator: Any, container: Any) -> None:
            estimator = operator.raw_operator
            wanted = changes(estimator)
            before = {name: getattr(estimator, name) for name in wanted}
            vars(estimator).update(wanted)
            try:
                convert(scope, operator, container)
            finally:
                vars(estimator).update(before)

        return converted

    return make


def _always(name: str, value: object) -> Callable[[Any], Mapping[str, Any]]:
    return lambda estimator: {name: value}


def _dense_bins(discretizer: Any) -> Mapping[str, Any]:
    return {"encode": "onehot-dense"} if discretizer.encode == "onehot" else {}


def _empty_is_missing(imputer: Any) -> Mapping[str, Any]:
    """A tensor of strings has neither nan nor None: what is missing is empty."""
    holds_text = any(isinstance(value, str) for value in imputer.statistics_)
    return {"missing_values": ""} if holds_text and is_missing(imputer.missing_values) else {}


def _empty_category(encoder: Any) -> Mapping[str, Any]:
    """As for imputers; skl2onnx writes the words nan and None."""
    return {"categories_": [_without_markers(seen) for seen in encoder.categories_]}


def _without_markers(seen: Any) -> Any:
    if seen.dtype.kind != "O":
        return seen
    texts = np.empty(len(seen), dtype=object)
    texts[:] = ["" if is_missing(value) else value for value in seen]
    return texts


# Sparse answers, and an answer that is flat or not, are the same numbers; of neighbours the nearest k are
# meant where the estimator has a radius too.
_ATTRIBUTES: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "SklearnVotingClassifier": _always("flatten_transform", False),
    "SklearnRandomTreesEmbedding": _always("sparse_output", False),
    "SklearnNearestNeighbors": _always("radius", None),
    "SklearnKBinsDiscretizer": _dense_bins,
    "SklearnSimpleImputer": _empty_is_missing,
    "SklearnOneHotEncoder": _empty_category,
    "SklearnTargetEncoder": _empty_category,
}
