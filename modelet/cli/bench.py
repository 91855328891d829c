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

    with messages.status("starting") as status:
        ratios = list(suite.run(models, names or (), status.update))
    if as_json:
        print_json(report.as_json(ratios))
    else:
        report.show(ratios, results)
