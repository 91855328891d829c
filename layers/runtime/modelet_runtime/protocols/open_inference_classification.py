"""Triton's classification extension: the top classes of an output, as text.

Source: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_classification.html
"""

from collections.abc import Sequence
from math import inf, prod
from typing import Any

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.tensor import DATATYPES, Tensor


def classify(tensor: Tensor, count: int, labels: Sequence[str]) -> Tensor:
    """Replace an output by its top classes.

    Args:
        tensor: `any number[batch, ...]`, all axes after the first being classes, or
            `any number[classes]`.
        count: How many classes to name; all when there are fewer.
        labels: Names by class, used where there are as many as classes.

    Returns:
        `BYTES[batch, count]` or `BYTES[count]` of `<value>:<index>[:<label>]`, highest first; of
        equal values the lower index comes first, and NaN comes last.

    Raises:
        InvalidRequest: (400) The output does not hold numbers.
    """
    if tensor.datatype.name in ("BYTES", "BOOL"):
        field = f"output '{tensor.name}': classification"
        raise InvalidRequest(field, "an output of numbers", tensor.datatype.name)
    batch = tensor.shape[:1] if len(tensor.shape) > 1 else ()
    width = prod(tensor.shape[len(batch) :])
    names = labels if len(labels) == width else ()
    values = tensor.values()
    texts = [
        text
        for row in range(prod(batch))
        for text in _top(values[row * width : (row + 1) * width], count, names)
    ]
    return Tensor.from_values(tensor.name, DATATYPES["BYTES"], (*batch, min(count, width)), texts)


def _top(row: Sequence[Any], count: int, labels: Sequence[str]) -> list[str]:
    ranks = [-inf if value != value else value for value in row]  # noqa: PLR0124  NaN differs from itself
    indexes = sorted(range(len(ranks)), key=ranks.__getitem__, reverse=True)[:count]
    return [
        f"{_number(row[index])}:{index}:{labels[index]}" if labels else f"{_number(row[index])}:{index}"
        for index in indexes
    ]


def _number(value: float) -> str:
    """As C++'s `std::to_string`, which is what Triton writes."""
    return f"{value:f}" if isinstance(value, float) else str(value)
