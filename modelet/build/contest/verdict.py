"""The rules of the contest, and the winner in words.

A candidate passes when its answers are within the bound, on enough samples to say so, and it is not slower
than fp32 beyond noise. Of those that pass the fastest wins; of those as fast as it within noise, the
smallest; of those as small as it, the most accurate. fp32 always passes, so when nothing beats it, it wins.
What loads slower than its own mapped form has to be worth it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from modelet.build.contest.budget import NOT_TRIED
from modelet.build.contest.entry import Entry
from modelet.build.contest.layout import objection
from modelet.build.quantise.accuracy import Bound
from modelet_runtime.manifest import ORT_FILE

# A median this close to another's is the same on this machine, whatever the interval says.
NOISE = 0.03
# And so is one of a graph of microseconds: Lambda bills by the millisecond, and no caller sees less.
NOISE_MS = 0.005
# Sizes this close to each other cost the same.
_SAME_SIZE = 0.03
# On fewer samples than this nobody would notice a share of wrong answers that matters.
LEAST_EVALUATION_RUNS = 32


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who won and why.

    Attributes:
        winner: The winner's name.
        passed: Whether it may be served: not if a precision was asked for that did not pass.
        reason: Why it won, in a sentence.
        rejections: Why each of the others did not, by name.
    """

    winner: str
    passed: bool
    reason: str
    rejections: dict[str, str]


def judge(entries: Sequence[Entry], bound: Bound, asked_for: str | None = None) -> Verdict:
    """Apply the rules.

    Args:
        entries: Every candidate that was tried; the first is fp32.
        bound: What answers may lose.
        asked_for: A precision that the recipe insists on; None lets any win.
    """
    champion = entries[0]
    rejections = {
        entry.name: reason for entry in entries[1:] if (reason := _rejection(entry, bound, entries))
    }
    passed = [entry for entry in entries if entry.name not in rejections]
    wanted = [entry for entry in passed if asked_for in {None, entry.precision}]
    if not wanted:
        return _refused(entries, bound, rejections, str(asked_for))
    winner = _best(wanted, bound, champion)
    for entry in passed:
        if entry is not winner:
            rejections[entry.name] = _behind(entry, winner, champion)
    reason = _praise(winner, champion, bound) if winner is not champion else _stayed(entries, rejections)
    return Verdict(winner.name, True, reason, rejections)


def passing(entries: Sequence[Entry], bound: Bound) -> list[Entry]:
    """Those that may win, fp32 among them."""
    return [entry for entry in entries if entry is entries[0] or not _rejection(entry, bound, entries)]


def is_slower(entry: Entry, than: float = 1.0, unit_ms: float | None = None) -> bool:
    """Whether an entry takes longer than a time in units of fp32's, more than noise explains.

    Args:
        entry: The entry.
        than: The time it is compared with; by default fp32's own.
        unit_ms: fp32's time; by default as it was beside the entry.
    """
    champion_ms = unit_ms if unit_ms is not None else entry.race.champion_ms.median if entry.race else 0.0
    return entry.time > than * (1 + NOISE) and (entry.time - than) * champion_ms > NOISE_MS


def _rejection(entry: Entry, bound: Bound, entries: Sequence[Entry]) -> str:
    """Why an entry may not win; empty if it may."""
    if entry.failure:
        return entry.failure if entry.failure.startswith(NOT_TRIED) else f"failed: {entry.failure}"
    if entry.is_reference:
        return "measured for comparison"
    assert entry.accuracy is not None
    assert entry.formula is not None
    if entry.formula.is_lossy and entry.accuracy.runs < LEAST_EVALUATION_RUNS:
        return f"judged on {entry.accuracy.runs} samples: at least {LEAST_EVALUATION_RUNS} have to judge"
    if not bound.admits(entry.accuracy):
        value = bound.value(entry.accuracy)
        shown = "is unknown" if value is None else f"{value:.4g}"
        return f"outside the bound: {bound.metric.replace('_', ' ')} {shown}, allowed is {bound}"
    if is_slower(entry):
        return f"slower than fp32: {entry.time:.2f} of its time"
    return _cold_start(entry, entries)


def _cold_start(entry: Entry, entries: Sequence[Entry]) -> str:
    """Why an entry may not win for the time it takes to load; empty if it may."""
    [mapped] = [other for other in entries if other.formula == entry.formula and other.file == ORT_FILE]
    if entry is mapped or not (entry.session_load_ms and mapped.session_load_ms and entry.race):
        return ""
    if not is_slower(mapped, entry.time, entry.race.champion_ms.median):
        return f"no faster than {mapped.name}, which is mapped and so shared between processes"
    extra_load_ms = entry.session_load_ms.median - mapped.session_load_ms.median
    saved_ms = (mapped.time - entry.time) * entry.race.champion_ms.median
    return objection(extra_load_ms, saved_ms)


def _best(passed: Sequence[Entry], bound: Bound, champion: Entry) -> Entry:
    """The fastest, or what is smaller and as fast within noise, or more accurate and as small as well."""
    fastest = min(entry.time for entry in passed)
    equals = [entry for entry in passed if not is_slower(entry, fastest, _unit_ms(champion))]
    smallest = min(entry.bytes for entry in equals)
    small = [entry for entry in equals if entry.bytes <= smallest * (1 + _SAME_SIZE)]

    def order(entry: Entry) -> tuple[float, float, int, float, str]:
        assert entry.accuracy is not None
        nearness = bound.nearness(entry.accuracy)
        return (-nearness, entry.accuracy.max_abs_diff, entry.gzip_bytes, entry.time, entry.name)

    return min(small, key=order)


def _unit_ms(champion: Entry) -> float:
    return champion.latency_ms.median if champion.latency_ms else 0.0


def _behind(entry: Entry, winner: Entry, champion: Entry) -> str:
    if is_slower(entry, winner.time, _unit_ms(champion)):
        return f"slower than {winner.name}: {entry.time / winner.time:.2f} times as long"
    if entry.bytes > winner.bytes * (1 + _SAME_SIZE):
        return f"as fast as {winner.name} within noise, but {entry.bytes / winner.bytes:.2f} times as large"
    return f"no better than {winner.name}"


def _praise(winner: Entry, champion: Entry, bound: Bound) -> str:
    assert winner.accuracy is not None
    value = bound.value(winner.accuracy)
    size = f"{winner.bytes / champion.bytes:.2f}"
    share = (
        f"{winner.time:.2f} of fp32's time and {size} of its bytes"
        if winner.race
        else f"{size} of fp32's bytes"
    )
    return (
        f"{winner.name} has {share} with {bound.metric.replace('_', ' ')} {value:.4g} ({bound} is asked for)"
    )


def _stayed(entries: Sequence[Entry], rejections: dict[str, str]) -> str:
    others = [entry for entry in entries[1:] if not entry.is_reference]
    if not others:
        return "fp32 is the only candidate"
    reasons = {"failed": 0, "not": 0, "judged": 0, "outside": 0, "slower": 0, "loads": 0, "other": 0}
    for entry in others:
        kind = rejections[entry.name].split(maxsplit=1)[0].rstrip(":")
        reasons[kind if kind in reasons else "other"] += 1
    words = {
        "failed": "{} failed",
        "not": "{} were not tried",
        "judged": f"{{}} had fewer than {LEAST_EVALUATION_RUNS} samples to judge them",
        "outside": "{} lost more than the bound allows",
        "slower": "{} were slower",
        "loads": "{} would load too long",
        "other": "{} were no better",
    }
    told = ", ".join(words[kind].format(count) for kind, count in reasons.items() if count)
    return f"nothing beats fp32: of {len(others)} other candidates {told}"


def _refused(entries: Sequence[Entry], bound: Bound, rejections: dict[str, str], asked_for: str) -> Verdict:
    """The recipe insists on a precision of which nothing passed: the nearest is kept, but not served."""
    tried = [entry for entry in entries if entry.precision == asked_for and not entry.failure]
    if not tried:
        reason = next(entry.failure for entry in entries if entry.precision == asked_for)
        return Verdict(entries[0].name, False, f"{asked_for} was asked for: it failed: {reason}", rejections)
    nearest = max(tried, key=lambda entry: _nearness(entry, bound))
    reason = rejections.pop(nearest.name)
    return Verdict(nearest.name, False, f"{asked_for} was asked for: {reason}", rejections)


def _nearness(entry: Entry, bound: Bound) -> tuple[bool, float]:
    assert entry.accuracy is not None
    return bound.admits(entry.accuracy), bound.nearness(entry.accuracy)
