"""What callers of one signature lose with another.

Inputs may become wider and outputs narrower: then whatever was sent is still taken, and whatever comes was
to be expected before.
"""

from collections.abc import Iterator, Mapping, Sequence

from modelet_runtime.manifest import Signature, TensorSpec

_VARIABLE = -1


def breaks(before: Signature, after: Signature) -> tuple[str, ...]:
    """Each way in which callers of `before` fail with `after`, as a sentence; none if they go on."""
    return (
        *_removed("input", before.inputs, after.inputs),
        *_added_inputs(before, after),
        *_changed("input", before.inputs, after.inputs),
        *_removed("output", before.outputs, after.outputs),
        *_changed("output", before.outputs, after.outputs),
        *_no_longer_bare(before, after),
    )


def shown(spec: TensorSpec) -> str:
    """A tensor as people write it: `FP32[?,3]`."""
    return f"{spec.datatype}[{','.join('?' if size == _VARIABLE else str(size) for size in spec.shape)}]"


def _removed(kind: str, before: Sequence[TensorSpec], after: Sequence[TensorSpec]) -> Iterator[str]:
    there = _by_name(after)
    for spec in before:
        if spec.name not in there:
            yield f"{kind} '{spec.name}' is gone"


def _added_inputs(before: Signature, after: Signature) -> Iterator[str]:
    there = _by_name(before.inputs)
    for spec in after.inputs:
        if spec.name not in there:
            yield f"input '{spec.name}' {shown(spec)} is new, and every input has to be sent"


def _changed(kind: str, before: Sequence[TensorSpec], after: Sequence[TensorSpec]) -> Iterator[str]:
    there = _by_name(after)
    for old in before:
        new = there.get(old.name)
        if new is None or _goes_on(old, new) or (kind == "input" and _is_wider(old, new)):
            continue
        if kind == "output" and _is_wider(new, old):
            continue
        yield f"{kind} '{old.name}' was {shown(old)} and is {shown(new)}"


def _no_longer_bare(before: Signature, after: Signature) -> Iterator[str]:
    """TensorFlow Serving's answers are bare values with one output, and objects with several."""
    if len(before.outputs) == 1 < len(after.outputs) and before.outputs[0].name in _by_name(after.outputs):
        names = ", ".join(f"'{spec.name}'" for spec in after.outputs if spec.name != before.outputs[0].name)
        yield f"output {names} is new beside the only one, so predictions become objects"


def _goes_on(old: TensorSpec, new: TensorSpec) -> bool:
    return old.datatype == new.datatype and old.shape == new.shape


def _is_wider(old: TensorSpec, new: TensorSpec) -> bool:
    """Whether `new` takes all that `old` takes: every axis is as it was, or variable."""
    return (
        old.datatype == new.datatype
        and len(old.shape) == len(new.shape)
        and all(size in (_VARIABLE, was) for was, size in zip(old.shape, new.shape, strict=True))
    )


def _by_name(specs: Sequence[TensorSpec]) -> Mapping[str, TensorSpec]:
    return {spec.name: spec for spec in specs}
