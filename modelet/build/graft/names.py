"""Which outputs there are, and class names as one of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from modelet.build.graft.base import Array, Arrays, Context, Reference, swap
from modelet.build.graft.editor import Builder
from modelet.build.graft.value import Misfit, Value, Values
from modelet_runtime.tensor import DATATYPES

_BYTES, _INT64 = DATATYPES["BYTES"], DATATYPES["INT64"]


@dataclass(frozen=True, kw_only=True)
class ClassNames:
    """Answer the names of classes (BYTES) instead of their numbers, or of false and true.

    The names are the model's labels. The number -1, with which `non_max_suppression` fills up, gives an
    empty text.

    Attributes:
        output: The model's output of integers or booleans; by default the only one that fits.
        rename: Another name for the output.
        keep: Leave the numbers, too, in front of the names, which then need another name.
    """

    output: str | None = None
    rename: str | None = None
    keep: bool = False

    def graft(self, build: Builder, outputs: Values, context: Context) -> Reference:
        """Look the numbers up in a table of names."""
        old = outputs.pick(self.output or _only_known(outputs), "class numbers or booleans", _are_classes)
        new, value = self.rename or old, outputs[old]
        if self.keep and new == old:
            raise Misfit(f"keep: output '{old}' stays, so the new one needs another name: add rename")
        labels = _checked(context.labels, value)
        number = build.cast(value.tensor, value.datatype, _INT64)
        place = build.add("Add", number, build.constant("one", np.int64(1)))
        # Clipped below, so that nothing counts from the end; a number without a name is an error.
        place = build.add("Max", place, build.constant("zero", np.int64(0)))
        names = build.add("Gather", build.constant("labels", np.array(["", *labels], object)), place)
        outputs.swap(old, {new: Value(names, _BYTES, value.dims)}, self.keep)

        def reference(answers: Arrays, _: Mapping[str, Array]) -> None:
            texts = [labels[int(number)] if number >= 0 else "" for number in answers[old].flat]
            array = np.array([*texts, ""], object)[:-1].reshape(answers[old].shape)
            swap(answers, old, {new: array}, self.keep)

        return reference


@dataclass(frozen=True, kw_only=True)
class Select:
    """Answer some of the outputs only, in this order.

    Attributes:
        outputs: Their names.
    """

    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        if not self.outputs or len(set(self.outputs)) < len(self.outputs):
            raise ValueError(f"outputs: expected one or more different names, got {list(self.outputs)}")

    def graft(self, build: Builder, outputs: Values, context: Context) -> Reference:
        """Drop the others."""
        for name in self.outputs:
            outputs.pick(name, "any kind", lambda _: True, "outputs")
        chosen = {name: outputs[name] for name in self.outputs}
        outputs.clear()
        outputs.update(chosen)

        def reference(answers: Arrays, _: Mapping[str, Array]) -> None:
            for name in set(answers) - set(self.outputs):
                del answers[name]

        return reference


def _are_classes(value: Value) -> bool:
    return not value.datatype.is_float and value.datatype.name != "BYTES"


def _only_known(outputs: Values) -> str | None:
    """The only output of class numbers that a step before this one made."""
    known = [name for name, value in outputs.items() if value.classes is not None]
    return known[0] if len(known) == 1 else None


def _checked(labels: tuple[str, ...], value: Value) -> tuple[str, ...]:
    """The labels, if there is one for each class."""
    classes = 2 if value.datatype.name == "BOOL" else value.classes
    if not labels:
        raise Misfit("the model has no labels: add labels to [model]")
    if classes is not None and classes != len(labels):
        raise Misfit(f"the model has {classes} classes and {len(labels)} labels: correct labels of [model]")
    return labels
