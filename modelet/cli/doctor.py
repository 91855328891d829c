"""`modelet doctor`."""

import typer
from rich.markup import escape
from rich.table import Table

from modelet.cli.output import REFUSED, AsJson, print_json, results

app = typer.Typer()

_STYLES = {"ok": "green", "missing": "red", "optional": "yellow"}


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is missing on this machine, what it is for, and how to get it."""
    from dataclasses import asdict

    from modelet.doctor import examine

    findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        table = Table(box=None)
        for title in ("", "what", "found", "needed for", "how to get it"):
            table.add_column(title, overflow="fold")
        for finding in findings:
            cells = (finding.name, finding.found, finding.needed_for, finding.remedy)
            state = f"[{_STYLES[finding.state]}]{finding.state}[/]"
            table.add_row(state, *(escape(cell) for cell in cells))
        results.print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(REFUSED)
