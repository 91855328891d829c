"""Makes a winner again from its formula: the same files, without a contest."""

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx

from modelet.build.contest.judges import divided
from modelet.build.contest.settings import Settings
from modelet.build.optimise import Artifact, Candidate, optimise
from modelet.build.quantise.formula import Formula
from modelet.build.samples import Inputs


def remake(
    graph: onnx.ModelProto,
    formula: Formula,
    settings: Settings,
    singles: Callable[[], Sequence[Inputs]],
    folder: Path,
) -> Artifact:
    """Make an artifact.

    Args:
        graph: The checked and normalised graph.
        formula: How the artifact was made.
        settings: What the contest was told.
        singles: Gives the runs of one row; asked only if the formula was calibrated on them.
        folder: For the files.
    """
    calibration = divided(singles(), settings).calibration if formula.calibration else ()
    made = settings.quantiser(graph, calibration).make(formula)
    return optimise(Candidate(formula.name, made), settings.target, folder)
