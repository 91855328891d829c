"""`torch.onnx.export` with names and axes as the recipe has them, and its errors in one sentence."""

import logging
import re
from collections.abc import Sequence

import onnx
import torch

from modelet.build.blame import place
from modelet.build.converters.pytorch_calls import Call
from modelet.build.converters.pytorch_inputs import Inputs
from modelet.build.converters.pytorch_names import name_axes, name_values
from modelet.errors import OwnerCodeFailed

_STATIC_AXIS = re.compile(r"static shape of (\d+) for dimension inputs\['(\w+)'\]\.shape\[(\d+)\]")
_NO_OPERATOR = re.compile(r"No ONNX function found for <OpOverload\(op='([\w.]+)'")
_COLOUR = re.compile(r"\x1b\[\d+m")

# It warns of torchvision's operators whenever torchvision is not installed.
logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)


def export(call: Call, outputs: Sequence[str], opset: int | None) -> onnx.ModelProto:
    """Convert a model to ONNX.

    Args:
        call: The model with its inputs.
        outputs: The outputs' names in the graph.
        opset: The version of ONNX's operators; PyTorch's choice if None.

    Raises:
        OwnerCodeFailed: PyTorch cannot export it, or not to these operators.
    """
    inputs = call.inputs
    try:
        program = torch.onnx.export(
            call.target,
            tuple(inputs.examples.values()) if inputs else (),
            dynamic_shapes=_dynamic_shapes(inputs) if inputs else None,
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    except Exception as error:  # its errors share no base but Exception
        raise _refusal(error, inputs) from error
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _check_opset(model, opset)
    name_values(model, call.names, outputs)
    if inputs:
        name_axes(model, inputs.axes)
    return model


def _dynamic_shapes(inputs: Inputs) -> tuple[dict[int, torch.export.dynamic_shapes._DimHint], ...]:
    return tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in inputs.axes.values())


def _check_opset(model: onnx.ModelProto, opset: int | None) -> None:
    """Refuse what PyTorch made of an opset it does not know: it warns and takes another."""
    [actual] = [entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]
    if opset and actual != opset:
        raise OwnerCodeFailed(
            f"export.opset: PyTorch exports this model to opset {actual}, not {opset}",
            f"write {actual}, or remove the key",
        )


def _refusal(error: BaseException, inputs: Inputs | None) -> OwnerCodeFailed:
    """Say what is at the bottom of an error: PyTorch wraps it in advice for its own developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = _COLOUR.sub("", str(error))
    if found := _STATIC_AXIS.search(text):
        size, name, axis = found.groups()
        return _static_axis(name, int(axis), size, inputs)
    if found := _NO_OPERATOR.search(text):
        return OwnerCodeFailed(
            f"ONNX has no operator for {found[1]}", "compute that in another way, or outside of the model"
        )
    if type(error).__name__ == "GuardOnDataDependentSymNode":
        return OwnerCodeFailed(
            f"forward goes another way depending on the data{place(error)}",
            "use torch.where or torch.cond, which compute both ways",
        )
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return OwnerCodeFailed(
        f"PyTorch cannot export the model: {type(error).__name__}: {first}{place(error)}",
        "see https://docs.pytorch.org/docs/stable/export.html for what can be exported",
    )


def _static_axis(parameter: str, axis: int, size: str, inputs: Inputs | None) -> OwnerCodeFailed:
    named = inputs.axes.get(parameter, {}).get(axis) if inputs else None
    label = f"axis {axis} ('{named}')" if named else f"axis {axis}"
    return OwnerCodeFailed(
        f"{label} of '{parameter}' is always {size} in forward, so it cannot vary",
        f"take sizes from the tensor (x.shape[{axis}]) in forward, or write {size} for it in [export]",
    )
