"""A PyTorch module or exported program: exported by `torch.onnx`, answered by its own `forward`."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import onnx
import torch

from modelet.build.check import LIMITS
from modelet.build.converters import pytorch_tensors as tensors
from modelet.build.converters.pytorch_calls import Call, ModuleCall, ProgramCall
from modelet.build.converters.pytorch_export import export
from modelet.build.converters.pytorch_inputs import Inputs, declared, exemplified
from modelet.errors import OwnerCodeFailed
from modelet_runtime.tensor import Tensor


class Network:
    """A module, a module with an example of its inputs, or an exported program.

    A module runs as in evaluation: `eval()` is called, on the CPU.
    """

    kind = "torch"

    def __init__(
        self,
        model: object,
        inputs: Sequence[Mapping[str, Any]] = (),
        outputs: Sequence[str] = (),
        axes: Mapping[str, int] | None = None,
        opset: int | None = None,
    ) -> None:
        """Take a model and what `[export]` says about it.

        Args:
            model: A `torch.nn.Module`, a pair `(module, example)`, or a `torch.export.ExportedProgram`.
            inputs: Name, datatype and shape of each argument of `forward`.
            outputs: Names of the outputs.
            axes: Sizes of variable axes in the example that is traced.
            opset: The version of ONNX's operators.

        Raises:
            OwnerCodeFailed: The inputs are not known, or known twice; or the weights are too large.
        """
        self._call = _call(model, inputs, axes or {})
        self._names = tuple(outputs)
        self._opset = opset
        _check_size(self._call.weights())

    def export(self) -> onnx.ModelProto:
        """Convert with `torch.onnx.export(dynamo=True)`.

        Raises:
            OwnerCodeFailed: PyTorch cannot export it, or ONNX has no operator for a part of it.
        """
        return export(self._call, self._outputs, self._opset)

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Answer with the module's own `forward`."""
        by_name = {tensor.name: tensors.to_torch(tensor) for tensor in inputs}
        returned = self._call([by_name[name] for name in self._call.names])
        found = tensors.outputs(returned).values()
        return [tensors.from_torch(name, value) for name, value in zip(self._outputs, found, strict=True)]

    @cached_property
    def _outputs(self) -> tuple[str, ...]:
        """The outputs' names: the recipe's, else those that the model gives them."""
        own = tuple(tensors.outputs(self._call.returned()))
        if self._names and len(self._names) != len(own):
            raise OwnerCodeFailed(
                f"the model has {len(own)} outputs, and export.outputs has {len(self._names)} names",
                f"name each of {', '.join(own)}",
            )
        names = self._names or own
        if twice := [name for name in names if [*self._call.names, *names].count(name) > 1]:
            raise OwnerCodeFailed(
                f"'{twice[0]}' is the name of more than one input or output", "write outputs in [export]"
            )
        return names


def _call(model: object, inputs: Sequence[Mapping[str, Any]], axes: Mapping[str, int]) -> Call:
    module, example = model if isinstance(model, tuple) and len(model) == 2 else (model, None)
    if isinstance(module, torch.export.ExportedProgram):
        if inputs or axes or example is not None:
            raise OwnerCodeFailed(
                "an exported program has its inputs already", "remove inputs and axes of [export]"
            )
        return ProgramCall(module)
    if not isinstance(module, torch.nn.Module):
        raise OwnerCodeFailed(
            f"a {type(module).__name__} is no model",
            "return a torch.nn.Module, a pair of it and an example of its inputs, or an ExportedProgram",
        )
    return ModuleCall(module, _inputs(module, example, inputs, axes))


def _inputs(
    module: torch.nn.Module, example: object, inputs: Sequence[Mapping[str, Any]], axes: Mapping[str, int]
) -> Inputs:
    if inputs:
        return declared(inputs, axes)
    if example is None:
        raise OwnerCodeFailed(
            "a module does not say what its inputs are",
            "list them as inputs in [export], or return an example of them with it: (module, example)",
        )
    return exemplified(module, example)


def _check_size(weights: Sequence[torch.Tensor]) -> None:
    """Refuse what does not fit into an ONNX file, before it is copied several times."""
    size = sum({tensor.data_ptr(): tensor.nbytes for tensor in weights}.values())
    if size > LIMITS.bytes:
        raise OwnerCodeFailed(
            f"the model has {size:,} bytes of weights, more than the limit of {LIMITS.bytes:,}",
            "store the weights in fewer bits (module.half()), or split the model",
        )
