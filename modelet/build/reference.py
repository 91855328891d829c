"""A graph run by ONNX Runtime's Python binding exactly as written: the peer of the function's runtime."""

import ctypes
import math
from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime

from modelet.build.arrays import Array, dtype_of, to_array, to_tensor
from modelet.errors import GraphRefused
from modelet_runtime.tensor import BY_ONNX_TYPE, Tensor

_FATAL_ONLY = 4


class ReferenceSession:
    """One graph, one thread, by default without any optimisation."""

    def __init__(self, graph: bytes, optimise: bool = False) -> None:
        """Load a graph.

        Args:
            graph: The bytes of an ONNX file that holds its weights.
            optimise: Whether ONNX Runtime optimises as it does for a user who sets nothing.

        Raises:
            GraphRefused: ONNX Runtime cannot load it.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the binding's errors share no base but Exception
            raise GraphRefused(f"ONNX Runtime cannot load the graph: {_text(error)}") from error
        self._outputs = [(output.name, output.type) for output in self._session.get_outputs()]

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Run the graph once.

        Raises:
            GraphRefused: ONNX Runtime cannot run it on these inputs.
        """
        try:
            outputs = self._run(inputs)
        except Exception as error:
            raise GraphRefused(f"ONNX Runtime cannot run the graph: {_text(error)}") from error
        return [to_tensor(name, array) for (name, _), array in zip(self._outputs, outputs, strict=True)]

    def prepared(self, inputs: Sequence[Tensor]) -> Callable[[], object]:
        """A bare `session.run` on these inputs, for timing."""
        names = [name for name, _ in self._outputs]
        feed = {tensor.name: to_array(tensor) for tensor in inputs}
        return lambda: self._session.run(names, feed)

    def _run(self, inputs: Sequence[Tensor]) -> list[Array]:
        names = [name for name, _ in self._outputs]
        if any(tensor.datatype.name == "BF16" for tensor in inputs) or self._has_bf16_output():
            return self._run_values(names, inputs)
        outputs = self._session.run(names, {tensor.name: to_array(tensor) for tensor in inputs})
        return [np.asarray(output) for output in outputs]

    def _has_bf16_output(self) -> bool:
        return any(kind == "tensor(bfloat16)" for _, kind in self._outputs)

    def _run_values(self, names: Sequence[str], inputs: Sequence[Tensor]) -> list[Array]:
        """Numpy has no bfloat16, so the binding takes and gives it only as values of its own."""
        make = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type
        values = {tensor.name: make(to_array(tensor), tensor.datatype.onnx_type) for tensor in inputs}
        outputs = []
        for value in self._session.run_with_ort_values(names, values):
            dtype = dtype_of(BY_ONNX_TYPE[value.element_type()])
            size = math.prod(value.shape()) * dtype.itemsize
            data = ctypes.string_at(value.data_ptr(), size)
            outputs.append(np.frombuffer(data, dtype).reshape(value.shape()))
        return outputs


def _text(error: Exception) -> str:
    return " ".join(str(error).split())
