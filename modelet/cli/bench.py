"""`modelet bench`."""

from typing import Annotated

import typer

from modelet.cli.output import MODELS, AsJson, Models, messages, print_json, results

app = typer.Typer()


@app.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Models to measure; all by default.")
    ] = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Measure against peers, side by side in one run: cold start, overhead, codec, memory."""
    from modelet.bench import report, suite
    from modelet.bench.sampling import Ratio

    ratios: list[Ratio] = []
    failures: list[str] = []
    with messages.status("starting") as status:
        for ratio in suite.run(models, names or (), status.update, failures.append):
            ratios.append(ratio)
            messages.print(report.line(ratio))
    if as_json:
        print_json(report.as_json(ratios))
    else:
        report.show(ratios, results)
    for failure in failures:
        messages.print(f"modelet: not measured: {failure}", style="red", markup=False)
    if failures:
        raise typer.Exit(1)
