"""`passport.json`: what was measured of a version, and where. Not part of what the digests cover.

All times are milliseconds with as many threads as the function has; those of one thread are the
processor's time, so that what else the machine does is not in them. What is not known is null.

    format        2
    model, version
    passed        whether the winner is within the bound and not slower than fp32
    accepted      why a person lets it be served although it is not; empty otherwise
    winner        name, precision, file (the form that a function loads), reason (a sentence)
    bound         metric and limit: top1_agreement and cosine are at least, max_abs_diff and accuracy_drop
                  at most the limit
    contest       seconds, budget_s, threads, is_timed (false where this machine's time says nothing: for a
                  GPU or another architecture), calibration_runs, evaluation_runs, held_out (whether no run
                  is in both), has_targets (whether accuracy is that of right answers)
    data          origin, runs, sha256 of all inputs, rtol and atol of the parity
    parity        per output: the converted graph beside the original framework, on all runs
    candidates    in the order they were measured, fp32 first; each has
        name, about (a sentence), precision, file, formula (null for `stock`, the original in stock ONNX
        Runtime, which only stands for comparison), left_out (nodes), bytes, gzip_bytes (of the file),
        accuracy (runs, top1_agreement, cosine, cosine_min, max_abs_diff: beside the original; accuracy,
        accuracy_drop: against right answers), latency_ms and session_load_ms (median, p95), race (in
        alternation with fp32: ratio, ratio_95, rounds, latency_ms, champion_ms), peak_mib, failure, rejected
        (why it did not win; empty for the winner)
    batch_curve   of the winner, where the batch axis is variable: rows, latency_ms (median), peak_mib
    saturation    of an int8 winner: pairs of weights, how many of them would be unsafe on a CPU without
                  VNNI, and accuracy_by_guard (pairs: as it is served; 7bit: ONNX Runtime's reduce_range;
                  none). null for others
    pruning       share, zeros (of all prunable weights), gzip_ratio (beside fp32), accuracy; null where
                  none was asked for
    sensitivity   by candidate whose sensitive nodes were looked for: nodes and the error they bring alone
    machine       cpu, cpus, vnni, architecture, system, python
    tools         versions
"""

import hashlib
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from modelet import __version__
from modelet.build.cases import Runs
from modelet.build.contest.record import Contest
from modelet.build.machine import Machine
from modelet.build.parity import Parity
from modelet.golden import Case, Tolerance
from modelet_runtime.manifest import Manifest

FORMAT = 2
_TOOLS = ("numpy", "onnx", "onnxruntime")


def passport(manifest: Manifest, contest: Contest, parity: Parity, runs: Runs) -> dict[str, Any]:
    """Put the measurements of a version together.

    Args:
        manifest: The version.
        contest: Every candidate's.
        parity: The converted graph's answers beside the original's.
        runs: All runs that were compared.
    """
    tolerance: Tolerance = parity.tolerance
    return {
        "format": FORMAT,
        "model": manifest.name,
        "version": manifest.version,
        "passed": manifest.proof.passed,
        "accepted": manifest.proof.accepted,
        **contest.to_dict(),
        "data": {
            "origin": runs.origin,
            "runs": len(runs.all),
            "sha256": _digest(runs.all),
            "rtol": tolerance.rtol,
            "atol": tolerance.atol,
        },
        "parity": [output.to_dict() for output in parity.outputs.values()],
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
