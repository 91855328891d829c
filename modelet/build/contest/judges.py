"""The runs that judge candidates, and those that calibrate them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelet.build.arrays import Array, to_array
from modelet.build.cases import Runs
from modelet.build.contest.settings import Settings
from modelet.build.quantise.accuracy import Answers
from modelet.build.quantise.sample_set import SampleSet
from modelet.build.samples import Inputs
from modelet.golden import Case
from modelet_runtime.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Judges:
    """Real inputs, divided, with what is expected of them.

    Attributes:
        split: Which of the runs of one row calibrate and which judge.
        inputs: The runs that judge.
        expected: The original's answers to them.
        targets: The right answers, where they are known.
        batches: Runs of several rows, which every candidate has to take.
    """

    split: SampleSet
    inputs: tuple[Inputs, ...]
    expected: Answers
    targets: tuple[object, ...] | None
    batches: tuple[Case, ...]

    @classmethod
    def of(cls, runs: Runs, settings: Settings) -> "Judges":
        """Divide the runs of a proof."""
        split = divided([case.inputs for case in runs.singles], settings)
        chosen = [runs.singles[position] for position in split.evaluation]
        expected = [named(case.outputs) for case in chosen]
        targets = None
        if runs.targets is not None:
            is_text = any(array.dtype.kind == "O" for array in expected[0].values())
            targets = tuple(_as_answered(runs.targets[p], settings.labels, is_text) for p in split.evaluation)
        return cls(split, tuple(case.inputs for case in chosen), expected, targets, runs.batches)


def divided(inputs: Sequence[Inputs], settings: Settings) -> SampleSet:
    """Divide runs of one row; the same way each time, so that a winner can be made again."""
    feeds = [named(run) for run in inputs]
    return SampleSet.divide(feeds, settings.calibration_samples, settings.evaluation_samples)


def _as_answered(target: object, labels: Sequence[str], is_text: bool) -> object:
    """A right answer in the graph's terms: labels as text, or their numbers."""
    if is_text:
        return labels[target] if isinstance(target, int) and target < len(labels) else target
    return labels.index(target) if isinstance(target, str) and target in labels else target


def named(tensors: Sequence[Tensor]) -> Mapping[str, Array]:
    """Tensors as arrays, by name."""
    return {tensor.name: to_array(tensor) for tensor in tensors}
