"""The runs of the proof, answered by the original; and the few of them that the version keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelet.build import samples
from modelet.build.arrays import to_array
from modelet.build.graft.surrounded import Surrounded
from modelet.build.origin import Origin
from modelet.build.original import Original
from modelet.build.owner import Row as OwnerRow
from modelet.build.random_inputs import Ranges, first_that_runs, rows
from modelet.build.samples import Inputs, Row
from modelet.build.sources import Function, files, function
from modelet.errors import OwnerCodeFailed, Refused, SourceRefused
from modelet.golden import Case
from modelet.recipe import Golden
from modelet_runtime.manifest import Manifest
from modelet_runtime.steps import pipeline
from modelet_runtime.steps.base import Model
from modelet_runtime.tensor import Tensor

RANDOM = "random"
_RANDOM_ROWS = 8

# A version's golden.json is committed, so it stays small; one case is always kept.
_KEPT_CASES = 32
_KEPT_BYTES = 96 << 10


@dataclass(frozen=True, slots=True)
class Runs:
    """Real inputs, or made-up ones, with the original's answers.

    Attributes:
        origin: Where they come from: the recipe's words, or `random`.
        singles: A run per row.
        batches: Runs of several rows at once, where the graph has a batch axis.
        targets: The right answer to each of the singles, where they are known.
    """

    origin: str
    singles: tuple[Case, ...]
    batches: tuple[Case, ...] = ()
    targets: tuple[object, ...] | None = None

    @property
    def all(self) -> tuple[Case, ...]:
        """Every run, batches first."""
        return (*self.batches, *self.singles)

    @property
    def is_real(self) -> bool:
        """Whether the inputs are such as callers send."""
        return self.origin != RANDOM


def collect(golden: Golden, origin: Origin, manifest: Manifest, folder: Path) -> Runs:
    """Make the inputs the recipe asks for and let the original answer them.

    Args:
        golden: The recipe's `[golden]`.
        origin: The original, and the owner's functions.
        manifest: The version to be; its steps and signature are used.
        folder: The folder with the version's hooks and assets.

    Raises:
        Refused: There are no samples, they do not fit, or the original refuses them.
    """
    if golden.samples is None:
        return _answered(RANDOM, _random_rows(origin, manifest), origin, manifest)
    given, positions, count = _given(golden.samples, origin, manifest, folder)
    targets = _targets(golden.targets, positions, count, origin) if golden.targets else None
    return _answered(golden.samples, given, origin, manifest, targets)


def inputs(wanted: str, origin: Origin, manifest: Manifest, folder: Path) -> list[Inputs]:
    """The runs of one row that `collect` makes, without asking the original."""
    given, _, _ = _given(wanted, origin, manifest, folder)
    return samples.runs(given, manifest)[-len(given) :]


def keep(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Choose the cases that go into `golden.json`: the first, and others evenly over all."""
    cases = decided(cases)
    step = max(1, len(cases) // _KEPT_CASES)
    kept: list[Case] = []
    left_bytes = _KEPT_BYTES
    for case in cases[::step][:_KEPT_CASES]:
        size = _bytes(case)
        if size <= left_bytes:
            kept.append(case)
            left_bytes -= size
    return tuple(kept) or (min(cases, key=_bytes),)


def decided(cases: Sequence[Case]) -> Sequence[Case]:
    """The cases that prove something; all of them if none does."""
    return [case for case in cases if case.is_decided] or cases


def _given(
    wanted: str, origin: Origin, manifest: Manifest, folder: Path
) -> tuple[list[Row], Sequence[int], int]:
    """The recipe's samples as rows, where each stands among them, and how many there are."""
    if named := function(wanted, origin.folder):
        given = origin.samples(named)
        made = samples.from_owner(given, Model(manifest, folder), wanted)
        return made, samples.spread(range(len(given))), len(given)
    paths = files(wanted, origin.folder, "golden.samples")
    found = samples.from_files(paths, pipeline.build(manifest, folder))
    return list(found.values()), [paths.index(path) for path in found], len(paths)


def _targets(wanted: str, positions: Sequence[int], count: int, origin: Origin) -> tuple[object, ...]:
    """The right answers to the rows that are used.

    Raises:
        SourceRefused: The recipe does not name a function.
        OwnerCodeFailed: There is not one answer for each sample.
    """
    named: Function | None = function(wanted, origin.folder)
    if named is None:
        raise SourceRefused(f"golden.targets: '{wanted}' is no function", "write FILE.py:FUNCTION")
    answers = origin.samples(named)
    if len(answers) != count:
        raise OwnerCodeFailed(f"{wanted} returned {len(answers)} targets for {count} samples")
    return tuple(_target(answers[position], wanted) for position in positions)


def _target(answer: OwnerRow, wanted: str) -> object:
    if not isinstance(answer, Tensor) or answer.element_count != 1:
        raise OwnerCodeFailed(f"{wanted} returned more than one number or label for a sample")
    [value] = to_array(answer).reshape(-1).tolist()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _random_rows(origin: Origin, manifest: Manifest) -> list[Row]:
    """Made-up rows, of the first kind that the original takes."""

    def answer(ranges: Ranges) -> list[Row]:
        specs = list(Model(manifest, origin.folder).inputs.values())
        made_up: list[Row] = [*rows(specs, ranges, _RANDOM_ROWS)]
        for run in samples.runs(made_up, manifest):
            origin.original.run(run)
        return made_up

    try:
        return first_that_runs(answer)
    except Refused as error:
        raise SourceRefused(
            f"the model takes no made-up inputs ({error.reason})",
            "name real ones with samples in [golden]",
        ) from error


def _answered(
    name: str,
    given: Sequence[Row],
    origin: Origin,
    manifest: Manifest,
    targets: tuple[object, ...] | None = None,
) -> Runs:
    answered = [_case(run, origin.original) for run in samples.runs(given, manifest)]
    singles, batches = answered[-len(given) :], answered[: -len(given)]
    return Runs(name, tuple(singles), tuple(batches), targets)


def _case(run: Inputs, original: Original) -> Case:
    if isinstance(original, Surrounded):
        outputs, is_decided = original.answer(run)
        return Case(run, tuple(outputs), is_decided)
    return Case(run, tuple(original.run(run)))


def _bytes(case: Case) -> int:
    return sum(_size(tensor) for tensor in (*case.inputs, *case.outputs))


def _size(tensor: Tensor) -> int:
    return sum(map(len, tensor.data)) if isinstance(tensor.data, tuple) else len(tensor.data)
