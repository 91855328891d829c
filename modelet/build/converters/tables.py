"""The graph's inputs put together as a fitted scikit-learn estimator takes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelet.build.arrays import Array
from modelet.build.converters.columns import Columns

UNNAMED = "feature_{}"


def separate_names(columns: Columns) -> tuple[str, ...]:
    """The inputs' names where each column has its own."""
    return columns.names or tuple(UNNAMED.format(number) for number in range(len(columns.each)))


def table_of(columns: Columns, arrays: Mapping[str, Array]) -> Any:
    """Make a table, an array, or a list of texts or labels; columns that the estimator drops may be absent.

    Args:
        columns: What the estimator was fitted on.
        arrays: A column per input, or the one input that holds all.
    """
    if columns.is_list:
        [values] = arrays.values()
        return values.reshape(-1)
    names = separate_names(columns)
    if arrays.keys().isdisjoint(names):
        [together] = arrays.values()
        return together
    rows = len(next(iter(arrays.values())))
    held: dict[str, npt.NDArray[Any]] = {
        name: _with_marks(arrays[name].reshape(-1), column.missing)
        if name in arrays
        else np.full(rows, np.nan)
        for name, column in zip(names, columns.each, strict=True)
    }
    if columns.names:
        # Of plain arrays pandas would make columns of strings, which know no None.
        return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in held.items()})
    return np.stack(list(held.values()), axis=1)


def _with_marks(values: npt.NDArray[Any], missing: object) -> npt.NDArray[Any]:
    """Empty strings as the estimator knows missing ones."""
    if values.dtype != object or missing == "":
        return values
    marked = values.copy()
    marked[values == ""] = missing
    return marked
