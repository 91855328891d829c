"""Runs two versions on their golden inputs and tells which answers are no longer the same."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from modelet.bench.sampling import Ratio, alternate, ratio
from modelet.build.arrays import to_array
from modelet.build.parity import Parity
from modelet.golden import Golden, Tolerance
from modelet.repository import Version
from modelet_runtime.errors import ArtifactError, ModeletError
from modelet_runtime.manifest import Manifest
from modelet_runtime.ort import OrtSession
from modelet_runtime.protocols import friendly
from modelet_runtime.settings import MIB_PER_VCPU
from modelet_runtime.stacking import split
from modelet_runtime.steps import pipeline
from modelet_runtime.steps.base import Pipeline
from modelet_runtime.tensor import Tensor

_EXAMPLES = 5
_FEWEST_ROUNDS, _MOST_ROUNDS, _BUDGET_S = 15, 200, 1.0
_LONGEST = 200

Row = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Change:
    """An input that gets another answer.

    Attributes:
        case: Which of the golden inputs, from 0; those of the second version follow those of the first.
        row: Which row of it.
        a: The first version's answer, as JSON, cut where it is long.
        b: The second's.
    """

    case: int
    row: int
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What came out.

    Attributes:
        rows: Rows that both versions answered.
        changed: How many of them got another answer: another label, a value that is not equal, or where there
            are no labels a number outside of the tolerance.
        examples: The first of those.
        outputs: Per output how near they are, as in a passport.
        left_out: Golden inputs that only one of them takes.
        speed: One run of the second beside one of the first, in alternation on this machine.
    """

    rows: int
    changed: int
    examples: tuple[Change, ...]
    outputs: tuple[dict[str, object], ...]
    left_out: int
    speed: Ratio | None


class _Side:
    """One version, up and running."""

    def __init__(self, version: Version) -> None:
        self.manifest = version.manifest
        threads = max(1, self.manifest.resources.memory_mib // MIB_PER_VCPU)
        self.session = OrtSession(version.graph_file, threads)
        self._pipeline: Pipeline | None = None
        with suppress(ModeletError):  # a step of it is not installed here: answers are shown as tensors
            self._pipeline = pipeline.build(self.manifest, version.folder)

    def rows(self, outputs: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """The outputs of one run, row by row."""
        if self.manifest.signature.has_batch_axis:
            return split(outputs, outputs[0].shape[0])
        return [{tensor.name: tensor for tensor in outputs}]

    def answer(self, row: Row) -> str:
        """A row as people read it; where a hook needs more than the outputs, the tensors themselves."""
        try:
            if self._pipeline is None:
                raise ArtifactError("no steps")
            rendered, _ = friendly.render([self._pipeline.decode(row, None)], False, "")
            text = rendered.decode()
        except Exception:  # a hook may raise anything without the context of its encode
            text = ", ".join(f"{tensor.name} {tensor.values()[:8]}" for tensor in row.values())
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def compare(a: Version, b: Version) -> Answers:
    """Run both on the golden inputs of both.

    Raises:
        ArtifactError: A golden file or a graph cannot be used.
    """
    golden, other = Golden.load(a.folder), Golden.load(b.folder)
    first, second = _Side(a), _Side(b)
    with first.session, second.session:
        return _compare(first, second, list(_inputs(golden, other)), other.tolerance)


def _inputs(*files: Golden) -> Iterator[tuple[Tensor, ...]]:
    """The inputs of all files, each once."""
    seen = set()
    for golden in files:
        for case in golden.cases:
            key = tuple((t.name, t.datatype.name, t.shape, _bytes(t)) for t in case.inputs)
            if key not in seen:
                seen.add(key)
                yield case.inputs


def _bytes(tensor: Tensor) -> object:
    return tensor.data if isinstance(tensor.data, tuple) else tensor.data.tobytes()


def _compare(
    first: _Side, second: _Side, inputs: Sequence[tuple[Tensor, ...]], tolerance: Tolerance
) -> Answers:
    parity = Parity(tolerance)
    changes: list[Change] = []
    rows = changed = 0
    taken: list[tuple[Tensor, ...]] = []
    for number, tensors in enumerate(inputs):
        try:
            before, after = first.session.run(tensors), second.session.run(tensors)
        except ModeletError:
            continue
        taken.append(tensors)
        names = {tensor.name for tensor in after}
        parity.add([tensor for tensor in before if tensor.name in names], after)
        for index, (old, new) in enumerate(zip(first.rows(before), second.rows(after), strict=True)):
            rows += 1
            if _is_changed(old, new, first.manifest, second.manifest, tolerance):
                changed += 1
                if len(changes) < _EXAMPLES:
                    changes.append(Change(number, index, first.answer(old), second.answer(new)))
    return Answers(
        rows,
        changed,
        tuple(changes),
        tuple(output.to_dict() for output in parity.outputs.values()),
        len(inputs) - len(taken),
        _speed(first, second, taken[-1]) if taken else None,
    )


def _is_changed(old: Row, new: Row, before: Manifest, after: Manifest, tolerance: Tolerance) -> bool:
    """Whether a caller would notice: the labels, or else values and numbers."""
    if old.keys() != new.keys():
        return True
    if before.labels:
        return any(
            _best(tensor, before.labels) != _best(new[name], after.labels)
            if _is_scores(tensor, before.labels) and _is_scores(new[name], after.labels)
            else _is_unequal(tensor, new[name], tolerance)
            for name, tensor in old.items()
        )
    return any(_is_unequal(tensor, new[name], tolerance) for name, tensor in old.items())


def _is_scores(tensor: Tensor, labels: Sequence[str]) -> bool:
    return tensor.datatype.is_float and tensor.element_count == len(labels) > 0


def _best(tensor: Tensor, labels: Sequence[str]) -> str:
    return labels[int(np.argmax(to_array(tensor)))]


def _is_unequal(old: Tensor, new: Tensor, tolerance: Tolerance) -> bool:
    parity = Parity(tolerance)
    parity.add([old], [new])
    return parity.worst is not None


def _speed(first: _Side, second: _Side, inputs: Sequence[Tensor]) -> Ratio:
    def time_s(side: _Side) -> float:
        started_s = perf_counter()
        side.session.run(inputs)
        return perf_counter() - started_s

    measures = {"a": lambda: time_s(first), "b": lambda: time_s(second)}
    once_s = sum(costs[0] for costs in alternate(measures, 1, warm_up=2).values())
    rounds = min(_MOST_ROUNDS, max(_FEWEST_ROUNDS, int(_BUDGET_S / once_s)))
    samples = alternate(measures, rounds)
    return ratio("b over a", samples, lambda medians: medians["b"] / medians["a"], None)
