"""Runs the graph as it is in the function's own runtime and compares it with the original."""

from collections.abc import Sequence

from modelet.build.cases import decided
from modelet.build.optimise import Artifact
from modelet.build.parity import Parity
from modelet.errors import ProofFailed
from modelet.golden import Case, Tolerance
from modelet_runtime.errors import ModeletError
from modelet_runtime.ort import OrtSession


def prove(artifact: Artifact, cases: Sequence[Case], tolerance: Tolerance) -> Parity:
    """Run every case in the function's own runtime and compare.

    Args:
        artifact: The graph as it was converted, its weights untouched.
        cases: Inputs with the original framework's outputs; those that are not decided are passed over.
        tolerance: For floating-point outputs.

    Raises:
        ProofFailed: The runtime cannot load or run the artifact, or an answer is not within the tolerance;
            the text has the figures of the worst output.
    """
    parity = Parity(tolerance)
    try:
        with OrtSession(artifact.ort) as session:
            for case in decided(cases):
                parity.add(case.outputs, session.run(case.inputs))
    except ModeletError as error:
        raise ProofFailed(f"the {artifact.precision} artifact does not run: {error}") from error
    if worst := parity.worst:
        raise ProofFailed(
            f"the artifact differs from the original: {worst.outside} of {worst.elements} elements of output"
            f" '{worst.name}' are outside the tolerance, by up to {worst.max_abs_diff:.3g}",
            "correct the model, or widen rtol and atol of [golden] if that is near enough",
        )
    return parity
