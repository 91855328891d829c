"""Runs artifacts in the function's own runtime and compares them with the original."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from modelet.build import measure
from modelet.build.measure import Comparison
from modelet.build.optimise import Artifact
from modelet.build.parity import Parity
from modelet.errors import ProofFailed
from modelet.golden import Case, Tolerance
from modelet_runtime.errors import ModeletError
from modelet_runtime.ort import OrtSession


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found out about one artifact.

    Attributes:
        artifact: The files.
        parity: Its answers beside the original's.
        size: Bytes of the artifact, as it is and compressed, and of the original.
        session_load: Creating the function's session.
        latency: One run, by which candidates are compared.
    """

    artifact: Artifact
    parity: Parity
    size: dict[str, int]
    session_load: Comparison
    latency: Comparison

    @property
    def passed(self) -> bool:
        """Whether every answer is within the tolerance."""
        return self.parity.worst is None

    def to_dict(self) -> dict[str, object]:
        """For the passport."""
        return {
            "precision": self.artifact.precision,
            "passed": self.passed,
            "size": self.size,
            "session_load": asdict(self.session_load),
            "latency": asdict(self.latency),
            "parity": [output.to_dict() for output in self.parity.outputs.values()],
        }


def prove(artifact: Artifact, original: bytes, cases: Sequence[Case], tolerance: Tolerance) -> Proof:
    """Run every case and measure one of them.

    Args:
        artifact: What a function would load.
        original: The graph before optimising, which a stock session runs for comparison.
        cases: Inputs with the original framework's outputs; the last one is timed.
        tolerance: For floating-point outputs.

    Raises:
        ProofFailed: The function's runtime cannot load or run the artifact.
    """
    parity = Parity(tolerance)
    try:
        with OrtSession(artifact.ort) as session:
            for case in cases:
                parity.add(case.outputs, session.run(case.inputs))
            latency = measure.latency(session, original, cases[-1].inputs)
    except ModeletError as error:
        raise ProofFailed(f"the {artifact.precision} artifact does not run: {error}") from error
    size = {**measure.sizes(artifact.ort), "original_bytes": len(original)}
    return Proof(artifact, parity, size, measure.session_load(artifact.ort, original), latency)


def choose(proofs: Sequence[Proof]) -> Proof:
    """The fastest artifact among those that passed.

    Raises:
        ProofFailed: None passed; the text has the figures of the worst output.
    """
    passed = [proof for proof in proofs if proof.passed]
    if passed:
        return min(passed, key=lambda proof: proof.latency.artifact_ms.median)
    worst = proofs[0].parity.worst
    assert worst is not None
    raise ProofFailed(
        f"the artifact differs from the original: {worst.outside} of {worst.elements} elements of output"
        f" '{worst.name}' are outside the tolerance, by up to {worst.max_abs_diff:.3g}",
        "correct the model, or widen rtol and atol of [golden] if that is near enough",
    )
