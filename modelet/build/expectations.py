"""What a version is expected to answer wherever it runs: the cases of `golden.json` and their tolerance."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from modelet.build import cases
from modelet.build.cases import Runs
from modelet.build.parity import Parity
from modelet.golden import Case, Golden, Tolerance
from modelet_runtime.ort import OrtSession

# Another CPU rounds otherwise now and then, and a rounded activation is a whole step away from the next.
_SLACK = 2.0


def expectations(path: Path, runs: Runs, tolerance: Tolerance, is_exact: bool) -> Golden:
    """Choose the cases that go along with a version.

    The outputs are the original framework's. A model in fewer bits is not within the tolerance of these; it
    is expected as near to them as it was found to be, and where it chooses another class, the case is left
    out.

    Args:
        path: What a function loads.
        runs: All runs.
        tolerance: What is allowed to the graph as it was converted.
        is_exact: Whether that is what the function loads.
    """
    kept = cases.keep(runs.all)
    if is_exact:
        return Golden(runs.origin, tolerance, kept)
    with OrtSession(path) as session:
        found = [(case, *_differences(case, session, tolerance)) for case in kept]
    agreeing = [(case, largest) for case, is_same, largest in found if is_same]
    largest = max(largest for _, largest in agreeing) if agreeing else 0.0
    widened = replace(tolerance, atol=max(tolerance.atol, float(f"{_SLACK * largest:.2g}")))
    return Golden(runs.origin, widened, tuple(case for case, _ in agreeing) or kept)


def _differences(case: Case, session: OrtSession, tolerance: Tolerance) -> tuple[bool, float]:
    """Whether labels and numbers of classes are as expected, and how far floats are from it."""
    parity = Parity(tolerance)
    parity.add(case.outputs, session.run(case.inputs))
    is_float = {tensor.name: tensor.datatype.is_float for tensor in case.outputs}
    exact = (found.outside == 0 for name, found in parity.outputs.items() if not is_float[name])
    floats: Sequence[float] = [found.max_abs_diff for name, found in parity.outputs.items() if is_float[name]]
    return all(exact), max(floats, default=0.0)
