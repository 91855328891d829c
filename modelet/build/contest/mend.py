"""Leaves the most sensitive nodes out of an int8 candidate that is fast but loses too much."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from modelet.build.contest.budget import Budget, OverBudget
from modelet.build.contest.entry import Entry
from modelet.build.contest.verdict import is_slower
from modelet.build.quantise.accuracy import Bound
from modelet.build.quantise.formula import Formula
from modelet.build.quantise.quantiser import Quantiser
from modelet.build.quantise.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class Mended:
    """What was found out.

    Attributes:
        of: The candidate that was looked at.
        sensitivity: What each of its nodes loses.
        formula: The same candidate without the nodes it cannot afford; None if leaving them out is no help.
    """

    of: str
    sensitivity: Sensitivity
    formula: Formula | None


def mend(
    entries: Sequence[Entry],
    quantiser: Quantiser,
    bound: Bound,
    budget: Budget,
    report: Callable[[str], None],
) -> Mended | None:
    """Mend the best of several candidates of one precision, if none is good enough and it is worth it.

    Args:
        entries: The candidates, measured.
        quantiser: Where they were made.
        bound: What may be lost.
        budget: Looking is given up when it is spent.
        report: Called with each node.
    """
    tried = [(entry, entry.accuracy) for entry in entries if entry.accuracy and not entry.failure]
    if not tried or any(bound.admits(accuracy) for _, accuracy in tried):
        return None
    best, _ = max(tried, key=lambda pair: bound.nearness(pair[1]))
    if is_slower(best) or best.formula is None:
        return None

    def progress(done: int, total: int) -> None:
        budget.check()
        report(f"{best.name}: node {done} of {total}")

    try:
        found = quantiser.sensitive(best.formula, bound, progress)
    except OverBudget:
        return None
    if found.left_out is None:
        return Mended(best.name, found, None)
    names = tuple(name for unit in found.left_out for name in unit.nodes)
    return Mended(best.name, found, replace(best.formula, left_out=names))
