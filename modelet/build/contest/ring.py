"""The contest: candidates are made, measured, mended where they lose too much, and judged."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from modelet.build.contest.bout import Bouts, named
from modelet.build.contest.entry import Entry
from modelet.build.contest.record import Contest, Data
from modelet.build.contest.settings import Settings
from modelet.build.contest.verdict import NOISE, Verdict, judge
from modelet.build.optimise import Artifact, Candidate, optimise
from modelet.build.quantise.accuracy import Bound, suitable_metric
from modelet.build.quantise.candidates import formulas
from modelet.build.quantise.formula import Formula
from modelet.build.quantise.protection import Protection, protection
from modelet.build.quantise.quantiser import Quantiser
from modelet.build.quantise.sample_set import SampleSet
from modelet.golden import Case

# Called with what is being done now: a few words.
Report = Callable[[str], None]

STOCK = "stock"
_STOCK_ABOUT = "the original in stock ONNX Runtime, optimised for this machine alone"
_MENDED = ("int8-dynamic", "int8-static")
_LONGEST_REASON = 240


def hold(
    graph: onnx.ModelProto,
    cases: Sequence[Case],
    settings: Settings,
    folder: Path,
    report: Report = lambda doing: None,
    targets: Sequence[object] | None = None,
) -> Contest:
    """Let every way to store a model's weights that fits compete.

    Args:
        graph: The checked and normalised graph.
        cases: Real inputs with the original's answers.
        settings: What is tried and what may be lost.
        folder: An empty folder for the candidates' files; only the winner's are left in it.
        report: Called as each part of the work begins.
        targets: The right answer for each case, where all are known and each case is one row.

    Returns:
        The winner with its files, and everything that was found out on the way.
    """
    return _Ring(graph, cases, settings, folder, report, targets).run()


class _Ring:
    """One contest."""

    def __init__(
        self,
        graph: onnx.ModelProto,
        cases: Sequence[Case],
        settings: Settings,
        folder: Path,
        report: Report,
        targets: Sequence[object] | None,
    ) -> None:
        feeds = [named(case.inputs) for case in cases]
        self._split = SampleSet.divide(feeds, settings.calibration_samples, settings.evaluation_samples)
        chosen = [cases[position] for position in self._split.evaluation]
        self._expected = [named(case.outputs) for case in chosen]
        self._settings = settings
        self._bound = settings.bound or Bound.default(suitable_metric(self._expected, settings.has_labels))
        self._folder = folder
        self._report = report
        self._quantiser = Quantiser(
            graph, self._split.calibration, settings.excluded, settings.architecture, settings.percent
        )
        right = [targets[position] for position in self._split.evaluation] if targets is not None else None
        self._bouts = Bouts(
            [case.inputs for case in chosen],
            self._expected,
            right,
            settings.threads,
            is_timed=settings.target == "cpu",
        )
        self._entries: list[Entry] = []
        self._artifacts: dict[str, Artifact] = {}

    def run(self) -> Contest:
        try:
            for formula in self._formulas():
                self._try(formula)
            self._mend()
            self._compare_with_stock()
        finally:
            self._bouts.close()
        asked_for = None if self._settings.precision == "auto" else self._settings.precision
        verdict = judge(self._entries, self._bound, asked_for)
        return self._close(verdict)

    def _formulas(self) -> list[Formula]:
        settings = self._settings
        if not settings.has_samples:
            return [Formula()]
        return formulas(
            self._quantiser, settings.precision, settings.calibration, settings.prune, settings.target
        )

    def _try(self, formula: Formula) -> Entry:
        """Make and measure one candidate."""
        entry = Entry(formula.name, formula.about, formula)
        self._report(f"{entry.name}: making")
        try:
            candidate = Candidate(entry.name, self._quantiser.make(formula))
            artifact = optimise(candidate, self._settings.target, self._folder / entry.name)
        except Exception as error:  # quantisers raise whatever they come upon
            if formula == Formula():
                raise
            entry = replace(entry, failure=f"{type(error).__name__}: {_short(error)}")
        else:
            self._artifacts[entry.name] = artifact
            self._report(f"{entry.name}: measuring")
            entry = self._bouts.measure(entry, artifact.ort)
        self._entries.append(entry)
        return entry

    def _mend(self) -> None:
        """Leave the most sensitive nodes out of int8 candidates that are fast but lose too much."""
        for precision in _MENDED:
            tried = [entry for entry in self._entries if entry.precision == precision and not entry.failure]
            if not tried or any(self._admits(entry) for entry in tried):
                continue
            best = max(tried, key=self._value)
            assert best.formula is not None
            if best.time > 1 + NOISE:
                continue
            sensitivity = self._quantiser.sensitive(
                best.formula,
                self._bound,
                lambda done, total, name=best.name: self._report(f"{name}: node {done} of {total}"),  # type: ignore[misc]
            )
            if sensitivity.left_out is not None:
                names = tuple(name for unit in sensitivity.left_out for name in unit.nodes)
                self._try(replace(best.formula, left_out=names))

    def _compare_with_stock(self) -> None:
        """Measure the original as anyone would run it, for comparison."""
        if self._settings.target != "cpu" or self._entries[0].failure:
            return
        self._report(f"{STOCK}: measuring")
        path = self._folder / f"{STOCK}.onnx"
        path.write_bytes(self._quantiser.graph.SerializeToString(deterministic=True))
        self._entries.append(self._bouts.measure(Entry(STOCK, _STOCK_ABOUT), path))
        path.unlink()

    def _close(self, verdict: Verdict) -> Contest:
        """Keep the winner's files only, and look at what guards its weights."""
        winner = next(entry for entry in self._entries if entry.name == verdict.winner)
        for name, artifact in self._artifacts.items():
            if name != verdict.winner:
                shutil.rmtree(artifact.folder)
        data = Data(len(self._split.calibration), len(self._split.evaluation), self._split.held_out)
        return Contest(
            self._artifacts[verdict.winner],
            winner,
            tuple(self._entries),
            verdict,
            self._bound,
            data,
            self._protection(winner),
        )

    def _protection(self, winner: Entry) -> Protection | None:
        """What the winner's weights would lose without a guard, and with `reduce_range`."""
        if winner.formula is None or winner.formula.guard == "none":
            return None
        self._report(f"{winner.name}: other guards")
        feeds = [named(inputs) for inputs in self._bouts.inputs]
        return protection(self._quantiser, winner.formula, feeds, self._expected)

    def _admits(self, entry: Entry) -> bool:
        return entry.accuracy is not None and self._bound.admits(entry.accuracy)

    def _value(self, entry: Entry) -> float:
        """How near an entry comes to the bound; more is nearer."""
        assert entry.accuracy is not None
        return self._bound.nearness(entry.accuracy)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
