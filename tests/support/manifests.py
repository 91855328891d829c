"""Manifests and sessions for tests that need no graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modelet_runtime.manifest import Graph, Manifest, Resources, Signature, Source, TensorSpec
from modelet_runtime.tensor import Tensor

Function = Callable[[Mapping[str, Tensor]], list[Tensor]]


def specs(**tensors: tuple[Any, ...]) -> tuple[TensorSpec, ...]:
    """`specs(x=("FP32", -1, 3))`."""
    return tuple(TensorSpec(name, datatype, tuple(shape)) for name, (datatype, *shape) in tensors.items())


def manifest(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], **changes: Any) -> Manifest:
    """A manifest of that signature; `changes` replace its other fields."""
    fields: dict[str, Any] = {
        "name": "demo_model",
        "version": 1,
        "description": "a model of a test",
        "target": "cpu",
        "source": Source("onnx", "model.onnx", "0" * 64),
        "signature": Signature(inputs, outputs),
        "input_steps": (),
        "output_steps": (),
        "labels": (),
        "graph": Graph({}, {}),
        "resources": Resources(),
        "layers": (),
        "files": {},
        "tools": {},
    }
    return Manifest(**{**fields, **changes})


class FunctionSession:
    """A session that is a Python function; keeps what it was called with."""

    def __init__(self, signature: Signature, function: Function) -> None:
        self._signature = signature
        self._function = function
        self.calls: list[list[Tensor]] = []
        self.timeouts_s: list[float | None] = []

    @property
    def signature(self) -> Signature:
        """As given."""
        return self._signature

    def run(
        self,
        inputs: Sequence[Tensor],
        output_names: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[Tensor]:
        """Call the function with the inputs by name."""
        self.calls.append(list(inputs))
        self.timeouts_s.append(timeout_s)
        outputs = self._function({tensor.name: tensor for tensor in inputs})
        names = output_names or [spec.name for spec in self._signature.outputs]
        return [next(tensor for tensor in outputs if tensor.name == name) for name in names]
