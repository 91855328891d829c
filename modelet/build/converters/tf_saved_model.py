"""A TensorFlow SavedModel or function: exported by tf2onnx, answered by its own signature."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
import tensorflow as tf

from modelet.build.converters.tf_call import Call, check_names
from modelet.errors import OwnerCodeFailed, SourceRefused
from modelet_runtime.tensor import Tensor

_DEFAULT = "serving_default"


def read(path: object, module: object, unused: Sequence[str]) -> object:
    """Load the folder of a `saved_model.pb`.

    Raises:
        SourceRefused: It is broken, or the recipe has keys that belong to files of weights.
    """
    if module is not None or unused or not isinstance(path, Path):
        raise SourceRefused("a SavedModel is a whole model", "remove module and unused_weights of [model]")
    try:
        return tf.saved_model.load(str(path.parent))
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SourceRefused(f"{path.parent.name}: {first[:300]}", "save the model again") from error


class SavedModel:
    """The default signature of a loaded SavedModel, or a `tf.function` with an input signature."""

    kind = "tensorflow"

    def __init__(self, model: Any, outputs: Sequence[str] = (), opset: int | None = None) -> None:
        """Take a model and what `[export]` says about it.

        Args:
            model: What `tf.saved_model.load` gives, a `tf.Module` with such a call, or a `tf.function`.
            outputs: Names of the outputs.
            opset: The version of ONNX's operators.

        Raises:
            OwnerCodeFailed: It has no signature, or several.
        """
        self._model = model  # it owns the variables
        self._function = _signature(model)
        self._names = tuple(outputs)
        self._opset = opset

    def export(self) -> onnx.ModelProto:
        """Convert with tf2onnx.

        Raises:
            OwnerCodeFailed: The model computes what ONNX has no operator for.
        """
        return self._call.export(self._opset)

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Answer with the signature itself."""
        return self._call.run(inputs)

    @cached_property
    def _call(self) -> Call:
        structure = self._function.structured_input_signature
        arguments = tf.nest.flatten(structure)  # tensors, and whatever else has a fixed value
        specs = tuple(given for given in arguments if isinstance(given, tf.TensorSpec))
        answer = self._function.structured_outputs
        own = sorted(answer) if isinstance(answer, dict) else _numbered(len(tf.nest.flatten(answer)))
        names = self._names or tuple(own)
        if len(names) != len(own):
            raise OwnerCodeFailed(
                f"the model has {len(own)} outputs, and export.outputs has {len(names)} names",
                f"name each of {', '.join(own)}",
            )
        check_names([spec.name for spec in specs], names)

        def answers(*tensors: Any) -> Sequence[Any]:
            left = iter(tensors)
            given = [next(left) if isinstance(each, tf.TensorSpec) else each for each in arguments]
            positional, named = tf.nest.pack_sequence_as(structure, given)
            return list(tf.nest.flatten(self._function(*positional, **named)))

        return Call(answers, specs, names)


def _signature(model: Any) -> Any:
    """The function of the model that is served."""
    signatures = getattr(model, "signatures", None)
    if signatures:
        if _DEFAULT in signatures or len(signatures) == 1:
            return signatures[_DEFAULT] if _DEFAULT in signatures else next(iter(signatures.values()))
        raise OwnerCodeFailed(
            f"the model has the signatures {', '.join(signatures)}", f"save one of them as {_DEFAULT}"
        )
    function: Any = model
    if not hasattr(model, "get_concrete_function") and callable(model):
        function = model.__call__
    if not getattr(function, "input_signature", None):
        raise OwnerCodeFailed(
            f"{type(model).__name__} does not say what its inputs are",
            "decorate its call with tf.function(input_signature=[...]), each TensorSpec with a name",
        )
    return function.get_concrete_function()


def _numbered(count: int) -> list[str]:
    return ["output"] if count == 1 else [f"output_{number}" for number in range(count)]
