"""One candidate's turn: loaded, asked and timed beside fp32; a failure at any point is its own."""

import gzip
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import ceil
from pathlib import Path

from modelet.build.contest.contestant import Contestant, Retired
from modelet.build.contest.entry import Entry
from modelet.build.contest.judges import Judges, named
from modelet.build.contest.race import Timing, loads, race, warm_ms
from modelet.build.quantise.accuracy import compare

_TIMED_INPUTS = 12
_CHAMPION_ROUNDS = 31


class Bouts:
    """Measures candidates one after the other, each beside fp32, which stays loaded."""

    def __init__(self, judges: Judges, threads: int, is_timed: bool = True) -> None:
        """Take the samples that judge.

        Args:
            judges: The samples and what is expected of them.
            threads: As many as the function has.
            is_timed: Whether time on this machine says anything about where the model will run.
        """
        self._judges = judges
        self._threads = threads
        self._is_timed = is_timed
        self._timed = judges.inputs[:: -(-len(judges.inputs) // _TIMED_INPUTS)]
        self._champion: Contestant | None = None

    def measure(self, entry: Entry, path: Path) -> Entry:
        """Fill in an entry's figures; the first one that is measured is the champion.

        Args:
            entry: The candidate.
            path: Its file.
        """
        data = path.read_bytes()
        sized = replace(entry, bytes=len(data), gzip_bytes=len(gzip.compress(data, mtime=0)))
        try:
            contestant = Contestant(path, self._threads)
        except Retired as failure:
            return replace(sized, failure=str(failure))
        try:
            return self._fill(sized, contestant)
        except (Retired, ValueError) as failure:
            return replace(sized, failure=str(failure))
        finally:
            if contestant is not self._champion:
                contestant.close()

    def compare(self, finalists: Sequence[tuple[Entry, Path]]) -> list[Entry]:
        """Time those that are near each other once more, all in one alternation with fp32.

        Args:
            finalists: Candidates that were measured, and their files.
        """
        assert self._champion is not None, "fp32 comes first"
        with ExitStack() as running:
            challengers = {}
            for entry, path in finalists:
                contestant = running.enter_context(Contestant(path, self._threads))
                self._keep(contestant)
                challengers[entry.name] = contestant
            races = race(challengers, self._champion, len(self._timed))
            load_ms = loads(challengers)
        return [
            replace(
                entry,
                race=races[entry.name],
                latency_ms=races[entry.name].latency_ms,
                session_load_ms=load_ms[entry.name],
            )
            for entry, _ in finalists
        ]

    def close(self) -> None:
        """End the champion's process."""
        if self._champion is not None:
            self._champion.close()

    def _fill(self, entry: Entry, contestant: Contestant) -> Entry:
        judges = self._judges
        answers = [named(contestant.run(inputs)) for inputs in judges.inputs]
        accuracy = compare(judges.expected, answers, judges.targets)
        for case in judges.batches:
            compare([named(case.outputs)], [named(contestant.run(case.inputs))])  # refuses another shape
        peak_mib = round(contestant.peak_mib(), 1)  # before anything that a function would not do
        self._keep(contestant)
        found = replace(entry, accuracy=accuracy, peak_mib=peak_mib)
        if self._champion is None:
            self._champion = contestant
            runs = ceil(1.0 / warm_ms(contestant, 0))
            turns = (turn % len(self._timed) for turn in range(_CHAMPION_ROUNDS))
            found = replace(found, latency_ms=Timing.of([contestant.time_ms(turn, runs) for turn in turns]))
        elif self._is_timed:
            run = race({entry.name: contestant}, self._champion, len(self._timed))[entry.name]
            found = replace(found, race=run, latency_ms=run.latency_ms)
        return replace(found, session_load_ms=loads({entry.name: contestant})[entry.name])

    def _keep(self, contestant: Contestant) -> None:
        for inputs in self._timed:
            contestant.keep(inputs)
