"""The default output: tensors as JSON values."""

from collections.abc import Mapping
from typing import Any

from modelet_runtime.steps.b64 import to_b64
from modelet_runtime.steps.base import Answer
from modelet_runtime.tensor import Tensor, nest


def to_answer(outputs: Mapping[str, Tensor]) -> Answer:
    """`{output: nested lists or value}`, or the value alone where there is one output."""
    answers = {name: to_value(tensor) for name, tensor in outputs.items()}
    return next(iter(answers.values())) if len(answers) == 1 else answers


def to_value(tensor: Tensor) -> Any:
    """A tensor as nested lists; a scalar's value. Bytes are text, or `{"b64": ...}` if they are not UTF-8."""
    if isinstance(tensor.data, tuple):
        return nest([_text(element) for element in tensor.data], tensor.shape)
    values = tensor.values()
    if isinstance(values, memoryview) and tensor.shape and 0 not in tensor.shape:
        nested: Any = tensor.buffer.cast(tensor.datatype.format, tensor.shape).tolist()  # type: ignore[call-overload]
        return nested
    return nest(list(values), tensor.shape)


def _text(element: bytes) -> Any:
    try:
        return element.decode()
    except UnicodeDecodeError:
        return to_b64(element)
