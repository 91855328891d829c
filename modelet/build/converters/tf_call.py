"""A function of TensorFlow with named inputs and outputs: exported by tf2onnx, answered by itself."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from modelet.build import walk
from modelet.build.arrays import to_array, to_tensor
from modelet.build.converters.canonical import canonicalise
from modelet.build.converters.renaming import rename
from modelet.errors import OwnerCodeFailed
from modelet_runtime.tensor import Tensor

# The newest that tf2onnx writes. Source: https://github.com/onnx/tensorflow-onnx#supported-onnx-opset
OPSET = 18
_BATCH = "batch"
_FIRST_LINE_LIMIT = 300
_REMEDY = "leave that part out of the model: texts become numbers in an input step, such as words"


@dataclass(frozen=True, slots=True)
class Call:
    """What is called with tensors in the order of `inputs`, and returns tensors in the order of `outputs`.

    Attributes:
        function: The model.
        inputs: Name, shape and type of each tensor it takes.
        outputs: The names of the tensors it returns.
    """

    function: Callable[..., Sequence[Any]]
    inputs: tuple[Any, ...]
    outputs: tuple[str, ...]

    def export(self, opset: int | None = None) -> onnx.ModelProto:
        """Convert with tf2onnx, with the names of inputs and outputs.

        Raises:
            OwnerCodeFailed: There is no operator of ONNX for a part of it.
        """
        # Positional names, since names of inputs need not be names of arguments.
        specs = [
            tf.TensorSpec(spec.shape, spec.dtype, name=f"argument_{number}")
            for number, spec in enumerate(self.inputs)
        ]
        traced = tf.function(lambda *tensors: list(self.function(*tensors)), autograph=False)
        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        try:
            model, _ = tf2onnx.convert.from_function(traced, specs, opset=opset or OPSET)
        except Exception as error:  # tf2onnx raises whatever its handlers run into
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise OwnerCodeFailed(
                f"tf2onnx cannot convert the model: {lines[0][:_FIRST_LINE_LIMIT]}",
                _REMEDY,
            ) from error
        # tf2onnx leaves what it does not know as it is.
        kinds = {(node.op_type, node.domain) for node in walk.nodes(model)}
        if strange := sorted(kind for kind, domain in kinds if not onnx.defs.has(kind, domain)):
            raise OwnerCodeFailed(f"ONNX has no operator for {', '.join(strange)}", _REMEDY)
        return self._named(model)

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Call the model itself."""
        by_name = {tensor.name: to_array(tensor) for tensor in inputs}
        given = [tf.constant(by_name[spec.name], dtype=spec.dtype) for spec in self.inputs]
        found = self.function(*given)
        return [to_tensor(name, np.asarray(value)) for name, value in zip(self.outputs, found, strict=True)]

    def _named(self, model: onnx.ModelProto) -> onnx.ModelProto:
        graph = model.graph
        specs = {f"argument_{number}": spec for number, spec in enumerate(self.inputs)}
        names: dict[str, str] = {}
        for value in graph.input:  # those that nothing reads are left out
            spec = specs.get(value.name.partition(":")[0])
            if spec is None:
                raise OwnerCodeFailed(
                    f"the model looks something up in a table ({value.name}), which ONNX does not have",
                    _REMEDY,
                )
            names[value.name] = spec.name
        names |= {value.name: name for value, name in zip(graph.output, self.outputs, strict=True)}
        rename(model, names)
        for value in (*graph.input, *graph.output):
            for axis, dim in enumerate(value.type.tensor_type.shape.dim):
                if not dim.HasField("dim_value"):
                    dim.dim_param = f"{value.name}_{axis}" if axis else _BATCH
        return canonicalise(model)


def check_names(inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Refuse names that stand for more than one tensor.

    Raises:
        OwnerCodeFailed: One does.
    """
    every = [*inputs, *outputs]
    if twice := sorted({name for name in every if every.count(name) > 1}):
        raise OwnerCodeFailed(
            f"'{twice[0]}' is the name of more than one input or output", "write outputs in [export]"
        )
