"""The contest: candidates are made, measured, mended where they lose too much, and judged."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import onnx

from modelet.build.cases import Runs
from modelet.build.contest.bout import Bouts
from modelet.build.contest.budget import Budget, OverBudget
from modelet.build.contest.contestant import Retired
from modelet.build.contest.curve import batch_curve
from modelet.build.contest.entry import Entry
from modelet.build.contest.judges import Judges, named
from modelet.build.contest.layout import gains_a_layout
from modelet.build.contest.mend import mend
from modelet.build.contest.record import Contest, Pruning
from modelet.build.contest.settings import Settings
from modelet.build.contest.verdict import judge, passing
from modelet.build.optimise import Artifact, Candidate, optimise
from modelet.build.quantise.accuracy import Bound, suitable_metric
from modelet.build.quantise.candidates import formulas
from modelet.build.quantise.formula import Formula
from modelet.build.quantise.protection import Protection, protection
from modelet.build.quantise.sensitivity import Sensitivity
from modelet.errors import ProofFailed, RecipeRefused
from modelet_runtime.manifest import ONNX_FILE

# Called with what is being done now: a few words.
Report = Callable[[str], None]

STOCK = "stock"
_STOCK_ABOUT = "the original in stock ONNX Runtime, optimised for this machine alone"
_MENDED = ("int8-dynamic", "int8-static")
_LONGEST_REASON = 240
# Who is within this of the fastest may be the fastest; more than a few would only crowd memory.
_NEAR = 1.25
_FINALISTS = 5
# A layout has not been seen to make a graph faster than by this factor.
_MOST_GAINED = 2.0


def hold(
    graph: onnx.ModelProto,
    champion: Artifact,
    runs: Runs,
    settings: Settings,
    report: Report = lambda doing: None,
) -> Contest:
    """Let every way to store a model's weights that fits compete.

    Args:
        graph: The checked and normalised graph.
        champion: The graph as it is; other candidates' files come beside it.
        runs: Inputs with the original's answers.
        settings: What is tried and what may be lost.
        report: Called as each part of the work begins.

    Returns:
        The winner with its files, and everything that was found out on the way.

    Raises:
        RecipeRefused: The graph has nothing that the recipe's precision could store.
        ProofFailed: The graph as it is does not run.
    """
    return _Ring(graph, champion, runs, settings, report).run()


class _Ring:
    """One contest."""

    def __init__(
        self, graph: onnx.ModelProto, champion: Artifact, runs: Runs, settings: Settings, report: Report
    ) -> None:
        self._settings = settings
        self._folder = champion.folder.parent
        self._budget = Budget(settings.budget_s)
        self._report: Report = lambda doing: report(f"{doing} ({self._budget})")
        self._judges = Judges.of(runs, settings)
        self._bound = settings.bound or _suitable_bound(self._judges, settings)
        self._quantiser = settings.quantiser(graph, self._judges.split.calibration)
        self._bouts = Bouts(self._judges, settings.threads, settings.is_timed)
        self._entries: list[Entry] = []
        self._artifacts = {Formula(): champion}
        self._sensitivities: dict[str, Sensitivity] = {}

    def run(self) -> Contest:
        try:
            for formula in self._formulas():
                self._try(formula)
            for precision in _MENDED:
                self._mend(precision)
            self._compare_with_stock()
            self._decide_close_races()
        finally:
            self._bouts.close()
        return self._close()

    def _formulas(self) -> list[Formula]:
        settings = self._settings
        is_asked_for = settings.precision != "auto" or settings.prune > 0
        if not settings.has_samples or not (is_asked_for or settings.is_timed or settings.target == "gpu"):
            return [Formula()]
        found = formulas(
            self._quantiser, settings.precision, settings.calibration, settings.prune, settings.target
        )
        if settings.precision not in {"auto", *(formula.precision for formula in found)}:
            raise RecipeRefused(
                f"model.toml: optimize.precision: {settings.precision} fits nothing in the graph",
                "leave the key out",
            )
        return found

    def _try(self, formula: Formula) -> Entry:
        """Make and measure one candidate, in the other form too where that is another graph."""
        entry = Entry.of(formula)
        try:
            artifact = self._artifact(entry, formula)
        except Exception as error:  # quantisers raise whatever they come upon
            if formula == Formula():
                raise
            reason = str(error) if isinstance(error, OverBudget) else f"{type(error).__name__}: {error}"
            entry = replace(entry, failure=_short(reason))
        else:
            self._report(f"{entry.name}: measuring")
            entry = self._bouts.measure(entry, artifact.ort)
            if entry.failure and formula == Formula():
                raise ProofFailed(f"the fp32 artifact does not run: {entry.failure}")
        self._entries.append(entry)
        if self._is_promising(entry) and gains_a_layout(self._artifacts[formula]):
            laid_out = Entry.of(formula, ONNX_FILE)
            self._report(f"{laid_out.name}: measuring")
            self._entries.append(self._bouts.measure(laid_out, self._artifacts[formula].onnx))
        return entry

    def _artifact(self, entry: Entry, formula: Formula) -> Artifact:
        if formula not in self._artifacts:
            self._budget.check()
            self._report(f"{entry.name}: making")
            candidate = Candidate(entry.name, self._quantiser.make(formula))
            self._artifacts[formula] = optimise(candidate, self._settings.target, self._folder / entry.name)
        return self._artifacts[formula]

    def _mend(self, precision: str) -> None:
        tried = [entry for entry in self._entries if entry.precision == precision]
        mended = mend(tried, self._quantiser, self._bound, self._budget, self._report)
        if mended is not None:
            self._sensitivities[mended.of] = mended.sensitivity
            if mended.formula is not None:
                self._try(mended.formula)

    def _compare_with_stock(self) -> None:
        """Measure the original as anyone would run it, for comparison."""
        if not self._settings.is_timed:
            return
        self._report(f"{STOCK}: measuring")
        path = self._folder / f"{STOCK}.onnx"
        path.write_bytes(self._quantiser.graph.SerializeToString(deterministic=True))
        self._entries.append(self._bouts.measure(Entry(STOCK, _STOCK_ABOUT, file=path.name), path))
        path.unlink()

    def _decide_close_races(self) -> None:
        """Race those near the front against each other: one by one, noise would choose among them."""
        front = [entry for entry in passing(self._entries, self._bound)[1:] if entry.race]
        fastest = min((entry.time for entry in front), default=1.0)
        near = sorted((entry for entry in front if entry.time <= fastest * _NEAR), key=lambda e: e.time)
        if len(near) < 2:
            return
        self._report("the final")
        finalists = [(entry, self._path(entry)) for entry in near[:_FINALISTS]]
        with suppress(Retired):  # the figures they have stand
            for entry in self._bouts.compare(finalists):
                position = [other.name for other in self._entries].index(entry.name)
                self._entries[position] = entry

    def _path(self, entry: Entry) -> Path:
        assert entry.formula is not None
        return self._artifacts[entry.formula].folder / entry.file

    def _close(self) -> Contest:
        """Choose, and look closer at the winner: what guards its weights, what batches gain."""
        asked_for = None if self._settings.precision == "auto" else self._settings.precision
        verdict = judge(self._entries, self._bound, asked_for)
        winner = next(entry for entry in self._entries if entry.name == verdict.winner)
        assert winner.formula is not None
        artifact = self._artifacts[winner.formula]
        for other in self._artifacts.values():
            if other is not artifact:
                other.discard()
        contest_s = self._budget.spent_s
        guarded = self._protection(winner)
        pruned = Pruning.of(self._settings.prune, self._quantiser, self._entries)
        curve = []
        if self._judges.batches and self._settings.is_timed:
            self._report(f"{winner.name}: batches")
            curve = batch_curve(self._path(winner), self._settings.threads, self._judges.inputs)
        return Contest(
            artifact,
            winner,
            tuple(self._entries),
            verdict,
            self._bound,
            self._judges,
            guarded,
            self._sensitivities,
            pruned,
            tuple(curve),
            self._settings,
            contest_s,
        )

    def _protection(self, winner: Entry) -> Protection | None:
        """What the winner's weights would lose without a guard, and with `reduce_range`."""
        if winner.formula is None or winner.formula.guard == "none":
            return None
        self._report(f"{winner.name}: other guards")
        feeds = [named(inputs) for inputs in self._judges.inputs]
        return protection(self._quantiser, winner.formula, feeds, self._judges.expected)

    def _is_promising(self, entry: Entry) -> bool:
        """Whether it could be the fastest in the other form."""
        if not self._settings.is_timed or entry.accuracy is None or not self._bound.admits(entry.accuracy):
            return False
        fastest = min(other.time for other in self._entries if not other.failure)
        return entry.time <= fastest * _MOST_GAINED


def _suitable_bound(judges: Judges, settings: Settings) -> Bound:
    if judges.targets is not None:
        return Bound.default("accuracy_drop")
    return Bound.default(suitable_metric(judges.expected, bool(settings.labels)))


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST_REASON else f"{joined[:_LONGEST_REASON]}..."
