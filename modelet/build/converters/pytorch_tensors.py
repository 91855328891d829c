"""Tensors of the runtime as PyTorch's and back, and the names of what a module returns."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree

from modelet.errors import OwnerCodeFailed
from modelet_runtime.tensor import DATATYPES, Tensor

DTYPES: Mapping[str, torch.dtype] = {
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
    "UINT16": torch.uint16,
    "UINT32": torch.uint32,
    "UINT64": torch.uint64,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "FP16": torch.float16,
    "BF16": torch.bfloat16,
    "FP32": torch.float32,
    "FP64": torch.float64,
}
_DATATYPES = {dtype: DATATYPES[name] for name, dtype in DTYPES.items()}


def to_torch(tensor: Tensor) -> torch.Tensor:
    """Copy a tensor of numbers into one of PyTorch."""
    dtype = DTYPES[tensor.datatype.name]
    if not tensor.element_count:
        return torch.empty(tensor.shape, dtype=dtype)
    return torch.frombuffer(bytearray(tensor.data), dtype=dtype).reshape(tensor.shape)  # type: ignore[arg-type]


def from_torch(name: str, value: torch.Tensor) -> Tensor:
    """Copy a tensor of PyTorch."""
    plain = value.detach().cpu().contiguous()
    data = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    return Tensor(name, _DATATYPES[value.dtype], tuple(plain.shape), memoryview(data))


def outputs(returned: Any) -> dict[str, torch.Tensor]:
    """The tensors that a module returned, by name: keys and attributes, else `output`, `output_1`, ...

    Raises:
        OwnerCodeFailed: It returned something else, or numbers without a datatype, such as complex ones.
    """
    pairs, _ = pytree.tree_flatten_with_path(returned)
    found: dict[str, torch.Tensor] = {}
    for path, value in pairs:
        name = "_".join(filter(None, map(_key, path))) or f"output_{len(found)}"
        if not isinstance(value, torch.Tensor):
            raise OwnerCodeFailed(
                f"the model returns a {type(value).__name__} as {name}", "return tensors only"
            )
        _check(name, value)
        found[name] = value
    if not found:
        raise OwnerCodeFailed("the model returns nothing", "return a tensor, or a dictionary of tensors")
    return {"output": found["output_0"]} if list(found) == ["output_0"] else found


def _check(name: str, value: torch.Tensor) -> None:
    if value.dtype not in _DATATYPES:
        raise OwnerCodeFailed(f"output '{name}' is of {value.dtype}", "return real numbers or booleans")


def _key(part: Any) -> str:
    """A name on the way to a tensor; places in a tuple have none."""
    return str(getattr(part, "key", getattr(part, "name", "")))
