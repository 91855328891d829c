"""Which columns a fitted scikit-learn estimator takes, and whether they hold numbers or strings.

An estimator remembers the names of its columns but not their types; the encoders inside it remember the
categories they saw, and those have a type.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from modelet.build.converters.parts import children, head, parts

Kind = Literal["float", "int", "string"]

# What takes rows of any length, or dictionaries: no column of a graph's input is like that.
_SHAPELESS = frozenset({"DictVectorizer", "FeatureHasher"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        kind: What it holds.
        missing: What the estimator knows a missing string as: nan, None, or an empty string, which is
            how the graph gets it.
    """

    kind: Kind = "float"
    missing: object = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The input of an estimator.

    Attributes:
        names: The columns' names if it was fitted on a table that has them, else None.
        each: The columns.
        is_list: Whether it takes a list of texts or labels and not a table.
    """

    names: tuple[str, ...] | None
    each: tuple[Column, ...]
    is_list: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What each column holds."""
        return tuple(column.kind for column in self.each)


def columns_of(estimator: Any) -> Columns:
    """Read the columns of a fitted estimator.

    Raises:
        ValueError: It is not fitted, or selects columns in a way that skl2onnx does not know.
    """
    first = head(estimator)
    if _is_vectorizer(first):
        return Columns(None, (Column("string"),), is_list=True)
    if type(first).__name__ in _SHAPELESS:
        raise ValueError(
            f"{type(first).__name__} takes rows of any length, and a graph only named or numbered columns:"
            " use OneHotEncoder or OrdinalEncoder"
        )
    count = _count(estimator)
    if count is None and hasattr(first, "classes_"):  # LabelEncoder and LabelBinarizer
        return Columns(None, (_of_categories(first.classes_),), is_list=True)
    if count is None:
        raise ValueError(
            f"{type(estimator).__name__} is not fitted: return a fitted estimator"
            if not _is_fitted(estimator)
            else f"{type(estimator).__name__} does not remember how many columns it was fitted on:"
            " put it into a pipeline with an estimator that does"
        )
    names = getattr(estimator, "feature_names_in_", None)
    known = None if names is None else tuple(str(name) for name in names)
    seen = _seen(estimator, count, known)
    return Columns(known, tuple(column or Column() for column in seen))


def selects_columns(estimator: Any) -> bool:
    """Whether the estimator treats columns differently, and so needs them apart."""
    return any(hasattr(part, "transformers_") for part in parts(estimator))


def _count(estimator: Any) -> int | None:
    """How many columns there are; some steps that leave columns as they are do not say."""
    if hasattr(estimator, "steps"):
        counts = (_count(step) for step in _leading_steps(estimator))
        return next((count for count in counts if count is not None), None)
    count: int | None = getattr(estimator, "n_features_in_", None)
    return count


def _is_fitted(estimator: Any) -> bool:
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def _union_parts(estimator: Any) -> Iterator[Any]:
    for _, part in getattr(estimator, "transformer_list", ()):
        if part not in ("drop", "passthrough"):
            yield part


def _is_vectorizer(estimator: Any) -> bool:
    """Whether it takes texts: the only estimators that analyse rather than transform."""
    return hasattr(estimator, "build_analyzer")


def _seen(estimator: Any, count: int, names: Sequence[str] | None) -> list[Column | None]:
    """Each of `count` columns; None where the estimator does not say."""
    if hasattr(estimator, "transformers_"):
        return _of_column_transformer(estimator, count, names)
    if hasattr(estimator, "steps"):
        return _first_known([_seen(step, count, names) for step in _leading_steps(estimator)], count)
    if hasattr(estimator, "transformer_list"):
        return _first_known([_seen(part, count, names) for part in _union_parts(estimator)], count)
    if found := _of_single_step(estimator, count):
        return found
    # Ensembles and the like hand their columns on to estimators of their own.
    inner = [part for part in _fed(estimator) if _count(part) == count]
    return _first_known([_seen(part, count, names) for part in inner], count)


def _fed(estimator: Any) -> Iterator[Any]:
    """The estimators directly inside of another; some have one more object around them."""
    for part in children(estimator):
        yield part if hasattr(part, "n_features_in_") else getattr(part, "estimator", part)


def _of_single_step(estimator: Any, count: int) -> list[Column | None]:
    """What a single step remembers of its columns; "drop" and "passthrough" remember nothing."""
    if _is_vectorizer(estimator):
        return [Column("string")] * count
    categories = getattr(estimator, "categories_", ())
    if len(categories) == count:
        return [_of_categories(np.asarray(seen)) for seen in categories]
    fills = getattr(estimator, "statistics_", ())
    if len(fills) == count:
        marker = getattr(estimator, "missing_values", "")
        return [Column("string", marker) if isinstance(value, str) else None for value in fills]
    return []


def _leading_steps(pipeline: Any) -> Iterator[Any]:
    """Steps from the first on, as long as columns go through them one to one."""
    for _, step in pipeline.steps:
        yield step
        passes = isinstance(step, str) or hasattr(step, "statistics_") or not hasattr(step, "n_features_in_")
        if not passes:
            return


def _of_column_transformer(estimator: Any, count: int, names: Sequence[str] | None) -> list[Column | None]:
    columns: list[Column | None] = [None] * count
    for _, transformer, selection in estimator.transformers_:
        positions = _positions(selection, count, names)
        chosen = [names[position] for position in positions] if names else None
        found = _seen(transformer, len(positions), chosen)
        for position, column in zip(positions, found, strict=True):
            columns[position] = columns[position] or column
    return columns


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


def _first_known(candidates: Sequence[Sequence[Column | None]], count: int) -> list[Column | None]:
    return [next((columns[i] for columns in candidates if columns[i]), None) for i in range(count)]


def _of_categories(seen: "np.ndarray[Any, np.dtype[Any]]") -> Column:
    if seen.dtype.kind not in "OUST":
        return Column("int" if seen.dtype.kind in "iub" else "float")
    markers = [value for value in seen.tolist() if is_missing(value)]
    return Column("string", markers[0] if markers else "")


def is_missing(value: object) -> bool:
    """Whether a category is no string but the mark of a missing one: None, nan or `pandas.NA`."""
    return value is None or type(value).__name__ == "NAType" or value != value  # noqa: PLR0124
