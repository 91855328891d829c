"""ONNX Runtime's own Python binding: the peer that OrtSession is held against, bit for bit."""

from collections.abc import Sequence
from ctypes import string_at
from pathlib import Path

import numpy
import onnx
import onnxruntime

from modelet_runtime.tensor import Tensor

_NUMPY = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "u2",
    "UINT32": "u4",
    "UINT64": "u8",
    "INT8": "i1",
    "INT16": "i2",
    "INT32": "i4",
    "INT64": "i8",
    "FP16": "f2",
    "FP32": "f4",
    "FP64": "f8",
    "BF16": "u2",
    "BYTES": "O",
}
# Bits and shape of an output; strings stay strings.
Bits = tuple[tuple[int, ...], bytes | tuple[bytes, ...]]


def save(folder: Path, proto: onnx.ModelProto, name: str = "model.ort") -> Path:
    """Write a graph as the toolchain does: optimised at level extended, in the format of the suffix."""
    path = folder / name
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return path


class Binding:
    """A session of the Python binding with the settings of `OrtSession`."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_mem_pattern = False
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.use_memory_mapped_ort_model", "1")
        options.add_session_config_entry("session.use_ort_model_bytes_for_initializers", "1")
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, inputs: Sequence[Tensor]) -> list[Bits]:
        """The bits of all outputs."""
        if any(tensor.datatype.name == "BF16" for tensor in inputs):
            return self._run_values(inputs)
        feeds = {tensor.name: to_array(tensor) for tensor in inputs}
        return [_array_bits(array) for array in self.session.run(None, feeds)]

    def _run_values(self, inputs: Sequence[Tensor]) -> list[Bits]:
        """The way for BF16, of which there is no array."""
        make = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type
        values = {tensor.name: make(to_array(tensor), tensor.datatype.onnx_type) for tensor in inputs}
        names = [output.name for output in self.session.get_outputs()]
        return [
            (tuple(value.shape()), string_at(value.data_ptr(), value.tensor_size_in_bytes()))
            for value in self.session.run_with_ort_values(names, values)
        ]


def bits_of(tensors: Sequence[Tensor]) -> list[Bits]:
    """The bits of what OrtSession answers."""
    return [
        (tensor.shape, tensor.data if isinstance(tensor.data, tuple) else tensor.data.tobytes())
        for tensor in tensors
    ]


def to_array(tensor: Tensor) -> numpy.ndarray:
    """A tensor as numpy has it; BF16 as raw bits."""
    dtype = numpy.dtype(_NUMPY[tensor.datatype.name])
    if isinstance(tensor.data, tuple):
        # The binding takes text only; OrtSession any bytes.
        return numpy.array([element.decode() for element in tensor.data], dtype).reshape(tensor.shape)
    return numpy.frombuffer(tensor.data, dtype).reshape(tensor.shape)


def _array_bits(array: numpy.ndarray) -> Bits:
    if array.dtype == object:
        return array.shape, tuple(text.encode() for text in array.reshape(-1))
    return array.shape, array.tobytes()
