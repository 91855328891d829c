"""The runs of the proof, answered by the original; and the few of them that the version keeps."""

from collections.abc import Sequence
from pathlib import Path

from modelet.build import samples
from modelet.build.origin import Origin
from modelet.build.random_inputs import Ranges, first_that_runs, rows
from modelet.build.samples import Inputs
from modelet.build.sources import files, function
from modelet.errors import Refused, SourceRefused
from modelet.golden import Case
from modelet_runtime.manifest import Manifest
from modelet_runtime.steps import pipeline
from modelet_runtime.steps.base import Model
from modelet_runtime.tensor import Tensor

RANDOM = "random"
_RANDOM_ROWS = 8

# A version's golden.json is committed, so it stays small; one case is always kept.
_KEPT_CASES = 32
_KEPT_BYTES = 96 << 10


def collect(wanted: str | None, origin: Origin, manifest: Manifest, folder: Path) -> list[Case]:
    """Make the inputs the recipe asks for and let the original answer them.

    Args:
        wanted: `[golden] samples`.
        origin: The original, and the owner's functions.
        manifest: The version to be; its steps and signature are used.
        folder: The folder with the version's hooks and assets.

    Raises:
        Refused: There are no samples, they do not fit, or the original refuses them.
    """
    if wanted is None:
        return _random(origin, manifest)
    return [_answered(inputs, origin) for inputs in _inputs(wanted, origin, manifest, folder)]


def keep(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Choose the cases that go into `golden.json`: the first, and others evenly over all."""
    step = max(1, len(cases) // _KEPT_CASES)
    kept: list[Case] = []
    left_bytes = _KEPT_BYTES
    for case in cases[::step][:_KEPT_CASES]:
        size = _bytes(case)
        if size <= left_bytes:
            kept.append(case)
            left_bytes -= size
    return tuple(kept) or (min(cases, key=_bytes),)


def _inputs(wanted: str, origin: Origin, manifest: Manifest, folder: Path) -> list[Inputs]:
    if named := function(wanted, origin.folder):
        given = origin.samples(named)
        return samples.runs(samples.from_owner(given, Model(manifest, folder), wanted), manifest)
    paths = files(wanted, origin.folder, "golden.samples")
    return samples.runs(samples.from_files(paths, pipeline.build(manifest, folder)), manifest)


def _random(origin: Origin, manifest: Manifest) -> list[Case]:
    """Answer made-up inputs, of the first kind that the original takes."""

    def answer(ranges: Ranges) -> list[Case]:
        specs = list(Model(manifest, origin.folder).inputs.values())
        made_up = rows(specs, ranges, _RANDOM_ROWS)
        return [_answered(inputs, origin) for inputs in samples.runs(made_up, manifest)]

    try:
        return first_that_runs(answer)
    except Refused as error:
        raise SourceRefused(
            f"the model takes no made-up inputs ({error.reason})",
            "name real ones with samples in [golden]",
        ) from error


def _answered(inputs: Inputs, origin: Origin) -> Case:
    return Case(inputs, tuple(origin.original.run(inputs)))


def _bytes(case: Case) -> int:
    return sum(_size(tensor) for tensor in (*case.inputs, *case.outputs))


def _size(tensor: Tensor) -> int:
    return sum(map(len, tensor.data)) if isinstance(tensor.data, tuple) else len(tensor.data)
