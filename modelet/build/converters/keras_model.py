"""A Keras model: exported by tf2onnx over its TensorFlow backend, answered by its own `call`."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import keras
import onnx
import tensorflow as tf

from modelet.build.arrays import dtype_of
from modelet.build.converters.tf_call import Call, check_names
from modelet.errors import OwnerCodeFailed
from modelet_runtime.tensor import DATATYPES, Tensor


class KerasModel:
    """A functional, sequential or subclassed model, called as for inference."""

    kind = "keras"

    def __init__(
        self,
        model: Any,
        inputs: Sequence[Mapping[str, Any]] = (),
        outputs: Sequence[str] = (),
        opset: int | None = None,
    ) -> None:
        """Take a model and what `[export]` says about it.

        Args:
            model: The model.
            inputs: Name, datatype and shape of each argument of a subclassed model's `call`.
            outputs: Names of the outputs.
            opset: The version of ONNX's operators.

        Raises:
            OwnerCodeFailed: It is no model, or its inputs are not known or known twice.
        """
        if not isinstance(model, keras.Model):
            raise OwnerCodeFailed(f"a {type(model).__name__} is no model", "return a keras.Model")
        if keras.backend.backend() != "tensorflow":
            raise OwnerCodeFailed(
                f"Keras runs on {keras.backend.backend()} here, and is exported on TensorFlow",
                "do not set a backend: weights are the same on each",
            )
        self._model = model
        self._declared = inputs
        self._names = tuple(outputs)
        self._opset = opset

    def export(self) -> onnx.ModelProto:
        """Convert with tf2onnx.

        Raises:
            OwnerCodeFailed: A layer computes what ONNX has no operator for.
        """
        return self._call.export(self._opset)

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Answer with the model itself."""
        return self._call.run(inputs)

    @cached_property
    def _call(self) -> Call:
        model = self._model
        given = getattr(model, "inputs", None)
        if given and self._declared:
            raise OwnerCodeFailed("the model says its inputs itself", "remove inputs of [export]")
        if not given and not self._declared:
            raise OwnerCodeFailed(
                f"{type(model).__name__} does not say what its inputs are",
                "list them as inputs in [export], or make the model of keras.Input",
            )
        specs = tuple(map(_spec, given)) if given else tuple(map(_declared, self._declared))
        names = self._output_names(specs)
        check_names([spec.name for spec in specs], names)
        return Call(self._answers, specs, names)

    def _answers(self, *tensors: Any) -> Sequence[Any]:
        """The outputs of one call, one after the other whatever structure they are in."""
        structure = getattr(self._model, "_inputs_struct", None)
        if structure is not None:
            arguments = (tf.nest.pack_sequence_as(structure, list(tensors)),)
        else:
            arguments = tensors
        return list(tf.nest.flatten(self._model(*arguments, training=False)))

    def _output_names(self, specs: Sequence[Any]) -> tuple[str, ...]:
        """The recipe's names, else the keys or the layers that the outputs come from."""
        answer = tf.function(self._answers, autograph=False).get_concrete_function(*specs).structured_outputs
        own = self._layer_names()
        own = own if len(own) == len(answer) else _numbered(len(answer))
        names = self._names or tuple(own)
        if len(names) != len(answer):
            raise OwnerCodeFailed(
                f"the model has {len(answer)} outputs, and export.outputs has {len(names)} names",
                f"name each of {', '.join(own)}",
            )
        return names

    def _layer_names(self) -> list[str]:
        if isinstance(self._model, keras.Sequential):
            return [self._model.layers[-1].name]
        return list(getattr(self._model, "output_names", ()))


def _numbered(count: int) -> list[str]:
    return ["output"] if count == 1 else [f"output_{number}" for number in range(count)]


def _spec(given: Any) -> Any:
    """A Keras input as TensorFlow describes it."""
    return tf.TensorSpec(given.shape, given.dtype, name=given.name)


def _declared(given: Mapping[str, Any]) -> Any:
    """An input as the recipe describes it; names stand for variable axes."""
    shape = [None if isinstance(size, str) else size for size in given["shape"]]
    datatype = DATATYPES[given["datatype"]]
    dtype = dtype_of(datatype) if datatype.size else "string"
    return tf.TensorSpec(shape, dtype, name=given["name"])
