"""How ratios are shown: a table for people, JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from modelet.bench.sampling import Ratio


def line(ratio: Ratio) -> str:
    """A ratio in a line, as it comes in."""
    colour = "green" if ratio.is_met else "red"
    return f"[{colour}]{ratio.value:.3f}[/]  {escape(ratio.name)}"


def as_table(ratios: Sequence[Ratio]) -> Table:
    """One row per ratio: its value, interval, target and the medians behind it."""
    table = Table(title="Ratios, ours over theirs, measured alternating in one run (lower is better)")
    for heading in ("what", "ratio", "95% interval", "target", "medians", "rounds"):
        table.add_column(heading, justify="left" if heading in {"what", "medians"} else "right")
    for ratio in ratios:
        colour = "green" if ratio.is_met else "red"
        table.add_row(
            ratio.name,
            f"[{colour}]{ratio.value:.3f}[/]",
            f"{ratio.low:.3f} to {ratio.high:.3f}",
            "" if ratio.target is None else f"≤ {ratio.target:g}",
            "\n".join(f"{name} {median:,.3f}" for name, median in ratio.medians.items()),
            str(ratio.pairs),
        )
    return table


def as_json(ratios: Sequence[Ratio]) -> list[dict[str, Any]]:
    """The same, for programs."""
    return [{**asdict(ratio), "is_met": ratio.is_met} for ratio in ratios]


def show(ratios: Sequence[Ratio], console: Console) -> None:
    """Print the table, and one line that says how many targets are missed."""
    console.print(as_table(ratios))
    missed = [ratio.name for ratio in ratios if not ratio.is_met]
    if missed:
        console.print(f"[red]{len(missed)} of {len(ratios)} miss their target:[/] {'; '.join(missed)}")
