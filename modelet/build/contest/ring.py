"""The contest: candidates are made, measured, mended where they lose too much, and judged."""

from collections.abc import Callable
from dataclasses import replace

import onnx

from modelet.build.cases import Runs
from modelet.build.contest.bout import Bouts
from modelet.build.contest.budget import Budget, OverBudget
from modelet.build.contest.curve import batch_curve
from modelet.build.contest.entry import Entry
from modelet.build.contest.judges import Judges, named
from modelet.build.contest.layout import gains_a_layout
from modelet.build.contest.record import Contest
from modelet.build.contest.settings import Settings
from modelet.build.contest.verdict import NOISE, judge
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
        if self._settings.is_timed and self._admits(entry) and gains_a_layout(self._artifacts[formula]):
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
        """Leave the most sensitive nodes out of an int8 candidate that is fast but loses too much."""
        tried = [entry for entry in self._entries if entry.precision == precision and not entry.failure]
        if not tried or any(self._admits(entry) for entry in tried):
            return
        best = max(tried, key=self._nearness)
        assert best.formula is not None
        if best.time > 1 + NOISE:
            return

        def progress(done: int, total: int) -> None:
            self._budget.check()
            self._report(f"{best.name}: node {done} of {total}")

        try:
            found = self._quantiser.sensitive(best.formula, self._bound, progress)
        except OverBudget:
            return
        self._sensitivities[best.name] = found
        if found.left_out is not None:
            names = tuple(name for unit in found.left_out for name in unit.nodes)
            self._try(replace(best.formula, left_out=names))

    def _compare_with_stock(self) -> None:
        """Measure the original as anyone would run it, for comparison."""
        if not self._settings.is_timed:
            return
        self._report(f"{STOCK}: measuring")
        path = self._folder / f"{STOCK}.onnx"
        path.write_bytes(self._quantiser.graph.SerializeToString(deterministic=True))
        self._entries.append(self._bouts.measure(Entry(STOCK, _STOCK_ABOUT, file=path.name), path))
        path.unlink()

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
        curve = []
        if self._judges.batches and self._settings.is_timed:
            self._report(f"{winner.name}: batches")
            curve = batch_curve(artifact.folder / winner.file, self._settings.threads, self._judges.inputs)
        return Contest(
            artifact,
            winner,
            tuple(self._entries),
            verdict,
            self._bound,
            self._judges,
            guarded,
            self._sensitivities,
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

    def _admits(self, entry: Entry) -> bool:
        return entry.accuracy is not None and self._bound.admits(entry.accuracy)

    def _nearness(self, entry: Entry) -> float:
        """How near an entry comes to the bound; more is nearer."""
        assert entry.accuracy is not None
        return self._bound.nearness(entry.accuracy)


def _suitable_bound(judges: Judges, settings: Settings) -> Bound:
    if judges.targets is not None:
        return Bound.default("accuracy_drop")
    return Bound.default(suitable_metric(judges.expected, bool(settings.labels)))


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST_REASON else f"{joined[:_LONGEST_REASON]}..."
