"""Which columns a fitted scikit-learn estimator takes, and whether they hold numbers or strings.

An estimator remembers the names of its columns but not their types; the encoders inside it remember the
categories they saw, and those have a type.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["float", "int", "string"]


@dataclass(frozen=True, slots=True)
class Columns:
    """The input of an estimator.

    Attributes:
        names: The columns' names if it was fitted on a table that has them, else None.
        kinds: What each column holds.
        is_text: Whether it takes a list of texts and not a table.
    """

    names: tuple[str, ...] | None
    kinds: tuple[Kind, ...]
    is_text: bool = False


def columns_of(estimator: Any) -> Columns:
    """Read the columns of a fitted estimator.

    Raises:
        ValueError: It is not fitted, or selects columns in a way that skl2onnx does not know.
    """
    if _is_vectorizer(_head(estimator)):
        return Columns(None, ("string",), is_text=True)
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        raise ValueError(f"{type(estimator).__name__} is not fitted: return a fitted estimator")
    names = getattr(estimator, "feature_names_in_", None)
    known = None if names is None else tuple(str(name) for name in names)
    kinds = _kinds(estimator, count, known)
    return Columns(known, tuple(kind or "float" for kind in kinds))


def selects_columns(estimator: Any) -> bool:
    """Whether the estimator treats columns differently, and so needs them apart."""
    head = _head(estimator)
    return hasattr(head, "transformers_") or any(selects_columns(part) for part in _union_parts(head))


def _head(estimator: Any) -> Any:
    """The first step of a pipeline, however deep."""
    steps = getattr(estimator, "steps", None)
    return _head(steps[0][1]) if steps else estimator


def _union_parts(estimator: Any) -> Iterator[Any]:
    for _, part in getattr(estimator, "transformer_list", ()):
        if part not in ("drop", "passthrough"):
            yield part


def _is_vectorizer(estimator: Any) -> bool:
    """Whether it takes texts: the only estimators that analyse rather than transform."""
    return hasattr(estimator, "build_analyzer")


def _kinds(estimator: Any, count: int, names: Sequence[str] | None) -> list[Kind | None]:
    """What each of `count` columns holds; None where the estimator does not say."""
    if hasattr(estimator, "transformers_"):
        return _of_column_transformer(estimator, count, names)
    if hasattr(estimator, "steps"):
        return _first_known([_kinds(step, count, names) for step in _leading_steps(estimator)], count)
    if hasattr(estimator, "transformer_list"):
        return _first_known([_kinds(part, count, names) for part in _union_parts(estimator)], count)
    return _seen_kinds(estimator, count)


def _seen_kinds(estimator: Any, count: int) -> list[Kind | None]:
    """What a single step remembers of its columns; "drop" and "passthrough" remember nothing."""
    if _is_vectorizer(estimator):
        return ["string"] * count
    categories = getattr(estimator, "categories_", ())
    if len(categories) == count:
        return [_kind(np.asarray(seen).dtype) for seen in categories]
    fills = getattr(estimator, "statistics_", ())
    if len(fills) == count:
        return ["string" if isinstance(value, str) else None for value in fills]
    return [None] * count


def _leading_steps(pipeline: Any) -> Iterator[Any]:
    """Steps from the first on, as long as columns go through them one to one."""
    for _, step in pipeline.steps:
        yield step
        if not (isinstance(step, str) or hasattr(step, "statistics_")):
            return


def _of_column_transformer(estimator: Any, count: int, names: Sequence[str] | None) -> list[Kind | None]:
    kinds: list[Kind | None] = [None] * count
    for _, transformer, selection in estimator.transformers_:
        positions = _positions(selection, count, names)
        found = _kinds(transformer, len(positions), None)
        for position, kind in zip(positions, found, strict=True):
            kinds[position] = kinds[position] or kind
    return kinds


def _positions(selection: Any, count: int, names: Sequence[str] | None) -> list[int]:
    """The positions of a fitted selection: names, numbers, or a slice of numbers.

    Raises:
        ValueError: It is of another form, which skl2onnx would misread.
    """
    if isinstance(selection, slice) and not isinstance(selection.start or selection.stop, str):
        return list(range(count)[selection])
    items = [selection] if isinstance(selection, str | int) else selection
    if isinstance(items, slice) or any(isinstance(item, bool | np.bool_) for item in items):
        raise ValueError("columns are selected by a mask or by a slice of names: list their names")
    known = list(names or ())
    return [known.index(item) if isinstance(item, str) else range(count)[item] for item in items]


def _first_known(candidates: Sequence[Sequence[Kind | None]], count: int) -> list[Kind | None]:
    return [next((kinds[i] for kinds in candidates if kinds[i]), None) for i in range(count)]


def _kind(dtype: "np.dtype[Any]") -> Kind:
    return "string" if dtype.kind in "OUST" else "int" if dtype.kind in "iu" else "float"
