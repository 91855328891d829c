"""`passport.json`: what was measured of a version, and where. Not part of what the digests cover."""

import hashlib
from collections.abc import Sequence
from importlib import metadata

from modelet import __version__
from modelet.build.machine import Machine
from modelet.build.prove import Proof
from modelet.golden import Case, Tolerance
from modelet_runtime.manifest import Manifest

FORMAT = 1
_TOOLS = ("numpy", "onnx", "onnxruntime")


def passport(
    manifest: Manifest,
    proofs: Sequence[Proof],
    winner: Proof,
    origin: str,
    cases: Sequence[Case],
    tolerance: Tolerance,
) -> dict[str, object]:
    """Put the measurements of a version together.

    Args:
        manifest: The version.
        proofs: Every candidate's.
        winner: The one whose files the version has.
        origin: Where the inputs come from.
        cases: All runs that were compared.
        tolerance: What was allowed.
    """
    why = "the only candidate" if len(proofs) == 1 else "the fastest of those that passed"
    return {
        "format": FORMAT,
        "model": manifest.name,
        "version": manifest.version,
        "passed": winner.passed,
        "winner": {"precision": winner.artifact.precision, "reason": why},
        "data": {
            "origin": origin,
            "runs": len(cases),
            "sha256": _digest(cases),
            "rtol": tolerance.rtol,
            "atol": tolerance.atol,
        },
        "candidates": [proof.to_dict() for proof in proofs],
        "machine": Machine.here().to_dict(),
        "tools": {"modelet": __version__, **{name: metadata.version(name) for name in _TOOLS}},
    }


def _digest(cases: Sequence[Case]) -> str:
    """One digest of all inputs, so that two passports can be told to rest on the same data."""
    digest = hashlib.sha256()
    for case in cases:
        for tensor in case.inputs:
            digest.update(f"{tensor.name}\0{tensor.datatype.name}\0{tensor.shape}\0".encode())
            digest.update(b"\0".join(tensor.data) if isinstance(tensor.data, tuple) else tensor.data)
    return digest.hexdigest()
