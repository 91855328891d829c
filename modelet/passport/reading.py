"""A passport as both the page and the terminal tell it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelet.errors import PassportMissing
from modelet.repository import PASSPORT_FILE, Version

# The passports that are understood; `modelet.build.passport` says what is in them.
FORMAT = 2
# Metrics by what they are called in words; of these more is better.
AT_LEAST = frozenset({"top1_agreement", "cosine"})
_WORDS = {
    "top1_agreement": "top-1 agreement",
    "cosine": "cosine",
    "max_abs_diff": "largest difference",
    "accuracy_drop": "accuracy drop",
}
_KIB = 1024
_REMEDY = "make a new version of the model with `modelet build`"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to store the weights, as it was measured.

    Attributes:
        name: What it is called.
        about: A sentence.
        verdict: Why it did not win; `winner` for the one that did.
        is_winner: Whether it did.
        is_reference: Whether it only stands for comparison.
        time: Its time in units of fp32's; None where it was not measured.
        time_95: The 95% interval of it.
        latency_ms: The median and the 95th percentile of one run.
        load_ms: The median of creating its session.
        bytes: Of the file a function loads.
        gzip_bytes: The same, compressed as images are.
        peak_mib: The most memory of a process that loads and runs it.
        accuracy: Its figures by metric.
        left_out: How many nodes stay in floating point.
    """

    name: str
    about: str
    verdict: str
    is_winner: bool
    is_reference: bool
    time: float | None
    time_95: tuple[float, float] | None
    latency_ms: tuple[float, float] | None
    load_ms: float | None
    bytes: int
    gzip_bytes: int
    peak_mib: float | None
    accuracy: Mapping[str, float | None]
    left_out: int


def load(version: Version) -> dict[str, Any]:
    """The passport of a version.

    Raises:
        PassportMissing: It has none, or one of an earlier form.
    """
    path = version.folder / PASSPORT_FILE
    try:
        passport: dict[str, Any] = json.loads(path.read_bytes())
        found = passport["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PassportMissing(f"{path} cannot be read: {error}", _REMEDY) from error
    if found != FORMAT:
        raise PassportMissing(f"{path}: format: expected {FORMAT}, got {found}", _REMEDY)
    return passport


def candidates(passport: Mapping[str, Any]) -> list[Candidate]:
    """The candidates in the order they were measured, fp32 first."""
    return [_candidate(each, passport["winner"]["name"]) for each in passport["candidates"]]


def words(metric: str) -> str:
    """What a metric is called in words."""
    return _WORDS.get(metric, metric.replace("_", " "))


def bound(passport: Mapping[str, Any]) -> str:
    """What answers may lose, in words."""
    metric, limit = passport["bound"]["metric"], passport["bound"]["limit"]
    return f"{words(metric)} at {'least' if metric in AT_LEAST else 'most'} {limit:g}"


def outcome(passport: Mapping[str, Any]) -> str:
    """Whether the version may be given to callers."""
    if passport["passed"]:
        return "passed"
    accepted = passport["accepted"]
    return f"failed, accepted: {accepted}" if accepted else "failed"


def size(count: int) -> str:
    """Bytes for people."""
    if count < _KIB:
        return f"{count} B"
    return f"{count / _KIB:,.0f} KiB" if count < _KIB**2 else f"{count / _KIB**2:,.1f} MiB"


def milliseconds(value: float | None) -> str:
    """A time for people."""
    return "" if value is None else f"{value:.3g} ms"


def judged_on(passport: Mapping[str, Any]) -> str:
    """What the figures rest on."""
    contest, data = passport["contest"], passport["data"]
    apart = "none of them in both" if contest["held_out"] else "the same for both"
    return (
        f"{data['runs']} runs from {data['origin']}: {contest['calibration_runs']} calibrated,"
        f" {contest['evaluation_runs']} judged, {apart}; data {data['sha256'][:12]}"
    )


def measured_on(passport: Mapping[str, Any]) -> str:
    """The machine, and how the function's threads were set."""
    machine, threads = passport["machine"], passport["contest"]["threads"]
    vnni = "with VNNI" if machine["vnni"] else "without VNNI"
    timed = "" if passport["contest"]["is_timed"] else "; not timed: the model runs elsewhere"
    return (
        f"{machine['cpu']} ({machine['architecture']}, {vnni}), {machine['cpus']} CPUs,"
        f" {threads} thread{'s' if threads > 1 else ''} per run{timed}"
    )


def pairs_at_risk(passport: Mapping[str, Any]) -> str:
    """What a CPU without VNNI would do to unguarded weights; empty for a winner that has none."""
    found = passport["saturation"]
    if not found:
        return ""
    return (
        f"{found['unsafe']:,} of {found['pairs']:,} pairs of weights would overflow on a CPU without VNNI"
        " if nothing guarded them"
    )


def guards(passport: Mapping[str, Any]) -> Sequence[tuple[str, Mapping[str, float | None]]]:
    """The winner's accuracy by how its weights are guarded: as it is served, 7 bits, not at all."""
    names = {"pairs": "by pairs, as it is served", "7bit": "7 bits (reduce_range)", "none": "not guarded"}
    found = passport["saturation"]["accuracy_by_guard"] if passport["saturation"] else {}
    return [(names.get(guard, guard), accuracy) for guard, accuracy in found.items()]


def _candidate(entry: Mapping[str, Any], winner: str) -> Candidate:
    race, latency, load = entry["race"], entry["latency_ms"], entry["session_load_ms"]
    is_winner = entry["name"] == winner
    is_champion = entry["formula"] == {} and race is None and latency is not None
    return Candidate(
        name=entry["name"],
        about=entry["about"],
        verdict="winner" if is_winner else entry["rejected"],
        is_winner=is_winner,
        is_reference=entry["formula"] is None,
        time=race["ratio"] if race else 1.0 if is_champion else None,
        time_95=(race["ratio_95"][0], race["ratio_95"][1]) if race else None,
        latency_ms=(latency["median"], latency["p95"]) if latency else None,
        load_ms=load["median"] if load else None,
        bytes=entry["bytes"],
        gzip_bytes=entry["gzip_bytes"],
        peak_mib=entry["peak_mib"] or None,
        accuracy=entry["accuracy"] or {},
        left_out=len(entry["left_out"]),
    )
