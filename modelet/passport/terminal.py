"""A passport as tables for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from modelet.passport import reading
from modelet.passport.reading import Candidate

_COLUMNS = ("time", "run", "p95", "session", "size", "gzip", "memory")


class PassportView:
    """Renders a passport with rich.

    Args:
        passport: What `passport.json` holds.
    """

    def __init__(self, passport: Mapping[str, Any]) -> None:
        self._passport = passport

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The verdict, the candidates, and why each of them did not win."""
        passport = self._passport
        found = reading.candidates(passport)
        colour = "green" if passport["passed"] else "red"
        yield Text.from_markup(
            f"[bold]{escape(passport['model'])}[/] version {passport['version']}:"
            f" [{colour}]{escape(reading.outcome(passport))}[/]"
        )
        yield Text(f"{passport['winner']['reason']}\n")
        yield _figures(passport, found)
        yield _reasons(found)
        yield from _rest(passport)


def _figures(passport: Mapping[str, Any], found: list[Candidate]) -> Table:
    metric = passport["bound"]["metric"]
    table = Table(box=None, pad_edge=False)
    table.add_column("candidate")
    for column in (*_COLUMNS, reading.words(metric)):
        table.add_column(column, justify="right")
    for each in found:
        value = each.accuracy.get(metric)
        latency = each.latency_ms or (None, None)
        table.add_row(
            each.name,
            "" if each.time is None else f"{each.time:.2f}",
            *(reading.milliseconds(figure) for figure in (*latency, each.load_ms)),
            *(reading.size(count) if count else "" for count in (each.bytes, each.gzip_bytes)),
            f"{each.peak_mib:.0f} MiB" if each.peak_mib else "",
            "" if value is None else f"{value:.6g}",
            style="bold green" if each.is_winner else "dim" if each.is_reference else "",
        )
    return table


def _reasons(found: list[Candidate]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for each in found:
        if not each.is_winner:
            table.add_row(each.name, escape(each.verdict))
    return table


def _rest(passport: Mapping[str, Any]) -> Iterator[Text]:
    curve = ", ".join(f"{p['rows']}: {p['latency_ms'] / p['rows']:.3g}" for p in passport["batch_curve"])
    facts = {
        "bound": reading.bound(passport),
        "data": reading.judged_on(passport),
        "without VNNI": reading.pairs_at_risk(passport),
        "ms per row": f"{curve}  (by rows in a run)" if curve else "",
        "measured on": reading.measured_on(passport),
    }
    yield Text()
    for name, fact in facts.items():
        if fact:
            yield Text.assemble((f"{name}: ", "bold"), fact)
