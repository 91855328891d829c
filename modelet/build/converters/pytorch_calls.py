"""How a model is called and exported: a module with its arguments, or a program that knows its own."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch.export import ExportedProgram

from modelet.build.blame import place
from modelet.build.converters.pytorch_inputs import Inputs
from modelet.errors import OwnerCodeFailed


class Call(Protocol):
    """A model with its inputs in order.

    Attributes:
        names: The inputs' names.
        inputs: What it is traced with; None if it is traced already.
        target: What `torch.onnx.export` takes.
    """

    names: tuple[str, ...]
    inputs: Inputs | None
    target: torch.nn.Module | ExportedProgram

    def __call__(self, arguments: Sequence[torch.Tensor]) -> Any:
        """What the model returns."""
        ...

    def returned(self) -> Any:
        """Something of the structure that the model returns."""
        ...

    def weights(self) -> Sequence[torch.Tensor]:
        """Every tensor that becomes part of the graph."""
        ...


class ModuleCall:
    """A module, called with one tensor per parameter of `forward`."""

    def __init__(self, module: torch.nn.Module, inputs: Inputs) -> None:
        self.target: torch.nn.Module | ExportedProgram = module.eval().cpu()
        self.inputs: Inputs | None = inputs
        self.names = tuple(inputs.examples)
        self._module = module
        self._examples = list(inputs.examples.values())

    def __call__(self, arguments: Sequence[torch.Tensor]) -> Any:
        """Call `forward`."""
        try:
            with torch.inference_mode():
                return self._module(*arguments)
        except Exception as error:  # whatever the owner's forward raises
            shapes = ", ".join(
                f"{name} {list(tensor.shape)}" for name, tensor in zip(self.names, arguments, strict=True)
            )
            what = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
            raise OwnerCodeFailed(
                f"the module fails on {shapes} with {what.rstrip(': ')}{place(error)}",
                "correct the module, or inputs and axes of [export]",
            ) from error

    def returned(self) -> Any:
        """What `forward` returns for the example."""
        return self(self._examples)

    def weights(self) -> Sequence[torch.Tensor]:
        """Parameters and buffers."""
        return [*self._module.parameters(), *self._module.buffers()]


class ProgramCall:
    """An exported program, called as it was exported."""

    def __init__(self, program: ExportedProgram) -> None:
        """Take a program.

        Raises:
            OwnerCodeFailed: It has an input that is no tensor.
        """
        for value in program.graph_signature.input_specs:
            is_input = value.kind is torch.export.graph_signature.InputKind.USER_INPUT
            if is_input and not isinstance(value.arg, torch.export.graph_signature.TensorArgument):
                raise OwnerCodeFailed(f"input '{value.arg.name}' is no tensor", "export with tensors only")
        self.target: torch.nn.Module | ExportedProgram = program
        self.inputs: Inputs | None = None
        self.names = tuple(str(name) for name in program.graph_signature.user_inputs)
        self._program = program
        self._module = program.module()

    def __call__(self, arguments: Sequence[torch.Tensor]) -> Any:
        """Run the program's graph."""
        positional, named = torch.utils._pytree.tree_unflatten(arguments, self._program.call_spec.in_spec)
        with torch.inference_mode():
            return self._module(*positional, **named)

    def returned(self) -> Any:
        """The program's own structure, filled with anything."""
        spec = self._program.call_spec.out_spec
        return torch.utils._pytree.tree_unflatten([torch.empty(0)] * spec.num_leaves, spec)

    def weights(self) -> Sequence[torch.Tensor]:
        """State and constants."""
        constants = (value for value in self._program.constants.values() if isinstance(value, torch.Tensor))
        return [*self._program.state_dict.values(), *constants]
