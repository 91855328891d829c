"""`modelet batch`: files in, runs watched, results out; here and in an account."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from modelet.cli.output import MODELS, REFUSED, AsJson, Models, messages, print_json, results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from modelet.batch.runs import Runs, View

app = typer.Typer()
batch = typer.Typer(no_args_is_help=True)
app.add_typer(batch, name="batch", help="Files of a bucket: submit, status, wait, retry, cancel.")

Url = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url", "--url", help="Where a local service has its S3; by default http://127.0.0.1:9000."
    ),
]
Stage = Annotated[
    str | None,
    typer.Option(help="A deployed stage, in the account of your credentials; else the local service."),
]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id or its beginning, or the s3:// URI of its input.")
]
Show = Annotated[bool, typer.Option("--show", help="Print the first rows of the results.")]

_SHOWN_ROWS = 10
_SHOWN_RUNS = 20
_SHORT = 12
_TABLE_WIDTH = 140


@batch.command()
def submit(
    name: Annotated[
        str, typer.Argument(metavar="NAME[@WHICH]", help="The model; an alias or version of it.")
    ],
    files: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders, or s3:// URIs that S3 copies.")
    ],
    prefix: Annotated[str, typer.Option(help="A folder in the bucket, below the model's.")] = "",
    output_format: Annotated[
        str,
        typer.Option("--format", help="What the results are: jsonl, csv, parquet, npy; auto is the input's."),
    ] = "auto",
    keep: Annotated[
        list[str] | None, typer.Option(help="A column that the results repeat, or * for all; may come often.")
    ] = None,
    failure_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of failed rows above which the run stops.")
    ] = None,
    wait_for: Annotated[bool, typer.Option("--wait", help="Wait until the runs are over.")] = False,
    show: Show = False,
    endpoint_url: Url = None,
    stage: Stage = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Put files into the input bucket; each becomes a run, whose results come to the output bucket."""
    from modelet.batch import submit as submission
    from modelet.batch.places import find
    from modelet.batch.runs import Runs

    given = {"format": output_format, "keep": keep, "failure_share": failure_share}
    options = {name: value for name, value in given.items() if value not in (None, "auto")}
    wanted = submission.inputs(name, files, prefix)
    submission.tags(options)
    places = find(endpoint_url, stage)
    runs = Runs(places, models)
    with _uploading(sum(each.size_bytes for each in wanted)) as sent:
        put = list(submission.submit(places, wanted, options, runs.queue_url, sent))
    names = [runs.appeared(each) for each in put]
    if wait_for or show:
        _wait(runs, names, show=show, as_json=as_json)
    elif as_json:
        print_json([runs.view(run).to_dict() for run in names])
    else:
        for run, each in zip(names, put, strict=True):
            results.print(f"{run[:_SHORT]}  s3://{places.inputs}/{each.key}", markup=False)


@batch.command()
def status(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="One run; without it the newest.")
    ] = None,
    endpoint_url: Url = None,
    stage: Stage = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Show how far runs are: rows, rows per second, time left, failures, cost."""
    runs = _runs(endpoint_url, stage, models)
    if run is None:
        views = runs.latest(runs.names(), _SHOWN_RUNS)
        if as_json:
            print_json([view.to_dict() for view in views])
        else:
            _print_table(views)
        return
    view = runs.view(runs.find(run))
    if as_json:
        print_json(view.to_dict())
    else:
        _print(view)


@batch.command()
def wait(
    run: RunName,
    show: Show = False,
    endpoint_url: Url = None,
    stage: Stage = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Wait for a run with a progress bar; exits with 1 if it did not succeed."""
    runs = _runs(endpoint_url, stage, models)
    _wait(runs, [runs.find(run)], show=show, as_json=as_json)


@batch.command()
def retry(
    run: RunName,
    failed_only: Annotated[bool, typer.Option("--failed-only", help="Only the rows that failed.")] = False,
    endpoint_url: Url = None,
    stage: Stage = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Repeat a run that is over, as a run of its own; by the same version, over the same object."""
    runs = _runs(endpoint_url, stage, models)
    again = runs.retry(runs.find(run), failed_only=failed_only)
    if as_json:
        print_json(runs.view(again).to_dict())
    else:
        results.print(again[:_SHORT], markup=False)


@batch.command()
def cancel(
    run: RunName,
    endpoint_url: Url = None,
    stage: Stage = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Stop a run within seconds; it leaves no results."""
    runs = _runs(endpoint_url, stage, models)
    found = runs.find(run)
    accepted = runs.cancel(found)
    view = runs.view(found)
    if as_json:
        print_json(view.to_dict())
    elif accepted:
        results.print(f"{found[:_SHORT]} stops", markup=False)
    if not accepted and view.run.state != "cancelled":
        messages.print(f"modelet: run {found[:_SHORT]} is over: {view.run.state}", style="red", markup=False)
        raise typer.Exit(REFUSED)


def _runs(endpoint_url: str | None, stage: str | None, models: Path) -> Runs:
    from modelet.batch.places import find
    from modelet.batch.runs import Runs

    return Runs(find(endpoint_url, stage), models)


@contextmanager
def _uploading(size_bytes: int) -> Iterator[Callable[[int], None]]:
    """A bar that is told how many bytes have gone."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("put"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task("", total=size_bytes)
        yield lambda sent: bar.advance(task, sent)


def _wait(runs: Runs, names: Sequence[str], *, show: bool, as_json: bool) -> None:
    """Watch runs to their ends, with a bar each."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    views = []
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        for name in names:
            task = bar.add_task(name[:_SHORT], total=1.0, pace="")
            for view in runs.watch(name):
                bar.update(task, completed=view.share, pace=_pace(view))
            views.append(view)
    if as_json:
        print_json([view.to_dict() for view in views] if len(views) != 1 else views[0].to_dict())
    for view in views:
        if not as_json:
            _print(view)
        if show and view.run.results and view.run.format in ("jsonl", "csv"):
            for _, line in zip(range(_SHOWN_ROWS), runs.results(view.run), strict=False):
                typer.echo(line)
    if any(view.run.state != "succeeded" for view in views):
        raise typer.Exit(REFUSED)


def _print(view: View) -> None:
    """One run in a few lines."""
    run = view.run
    results.print(f"{run.run[:_SHORT]}  {run.model}@{run.version}  {run.state}  {_pace(view)}", markup=False)
    results.print(f"  s3://{run.bucket}/{run.key}", markup=False)
    for line in (run.results, run.errors, run.error):
        if line:
            results.print(f"  {line}", markup=False)


def _pace(view: View) -> str:
    speed, left, cost = view.rows_per_s, view.eta_s, view.cost_usd
    told = [
        f"{view.rows} rows",
        f"{view.failed_rows} failed" if view.failed_rows else "",
        f"{speed:,.0f} rows/s" if speed else "",
        f"{left:,.0f} s left" if left else "",
        f"${cost:.6f}" if cost is not None else "",
    ]
    return ", ".join(each for each in told if each)


def _print_table(views: Sequence[View]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("run", "model", "input", "state", "done"):
        table.add_column(column)
    for column in ("rows", "failed", "rows/s", "left", "cost"):
        table.add_column(column, justify="right")
    for view in views:
        run, speed, left, cost = view.run, view.rows_per_s, view.eta_s, view.cost_usd
        table.add_row(
            run.run[:_SHORT], f"{run.model}@{run.version}", escape(run.key), run.state, f"{view.share:.0%}",
            str(view.rows), str(view.failed_rows), f"{speed:,.0f}" if speed else "-",
            f"{left:,.0f} s" if left else "-", f"${cost:.6f}" if cost is not None else "-",
        )  # fmt: skip
    # What is not a terminal has no width that would have to be kept to.
    Console(width=None if results.is_terminal else _TABLE_WIDTH, highlight=False).print(table)
