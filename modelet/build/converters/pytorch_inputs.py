"""What a module is traced with: example tensors by name, and which of their axes vary."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from modelet.build.converters.pytorch_tensors import DTYPES
from modelet.errors import OwnerCodeFailed

BATCH = "batch"

# Not 1, which PyTorch takes for an axis that is always 1. No two axes get the same size by chance.
_BATCH_SIZE = 2
_FIRST_SIZE = 8


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of `forward`, in order.

    Attributes:
        examples: A tensor for each, by the name it has in the graph.
        axes: The names of each one's variable axes, by position.
    """

    examples: Mapping[str, torch.Tensor]
    axes: Mapping[str, Mapping[int, str]]


def declared(inputs: Sequence[Mapping[str, Any]], sizes: Mapping[str, int]) -> Inputs:
    """The inputs that `[export]` lists.

    Args:
        inputs: Name, datatype and shape of each; a name in a shape is a variable axis.
        sizes: How long variable axes are in the example.

    Raises:
        OwnerCodeFailed: A size is given for an axis that no input has.
    """
    chosen = _sizes(inputs, sizes)
    examples, axes = {}, {}
    for given in inputs:
        name, shape = given["name"], given["shape"]
        lengths = [chosen[size] if isinstance(size, str) else size for size in shape]
        # Ones are valid as pixels, token ids and masks alike.
        examples[name] = torch.ones(lengths, dtype=DTYPES[given["datatype"]])
        axes[name] = {axis: size for axis, size in enumerate(shape) if isinstance(size, str)}
    return Inputs(examples, axes)


def exemplified(module: torch.nn.Module, example: object) -> Inputs:
    """The inputs of an example: a tensor, several, or one by name. Their first axis is the batch.

    Raises:
        OwnerCodeFailed: It is no example, or has an input without axes.
    """
    given = example if isinstance(example, tuple | list | Mapping) else (example,)
    values = list(given.values()) if isinstance(given, Mapping) else list(given)
    names = [str(name) for name in given] if isinstance(given, Mapping) else _parameters(module, len(values))
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, torch.Tensor) or not value.ndim:
            raise OwnerCodeFailed(
                f"the example of input '{name}' is no tensor with a batch axis",
                "return a tensor of one row or more for each input",
            )
    rows = [value.cpu() if len(value) > 1 else value.cpu().repeat_interleave(2, 0) for value in values]
    return Inputs(dict(zip(names, rows, strict=True)), {name: {0: BATCH} for name in names})


def _sizes(inputs: Sequence[Mapping[str, Any]], sizes: Mapping[str, int]) -> dict[str, int]:
    names = dict.fromkeys(size for given in inputs for size in given["shape"] if isinstance(size, str))
    if unknown := sorted(set(sizes) - set(names)):
        raise OwnerCodeFailed(
            f"export.axes: no input has an axis '{unknown[0]}'", f"there are {', '.join(names) or 'none'}"
        )
    made = {name: _BATCH_SIZE if name == BATCH else _FIRST_SIZE + i for i, name in enumerate(names)}
    return made | dict(sizes)


def _parameters(module: torch.nn.Module, count: int) -> list[str]:
    """The first parameters of `forward`.

    Raises:
        OwnerCodeFailed: It has fewer, or takes any number.
    """
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(module.forward).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind in named]
    if len(names) < count:
        raise OwnerCodeFailed(
            f"the example has {count} inputs, and forward names {len(names)}",
            "return the example as a dictionary of names and tensors",
        )
    return names[:count]
