"""`modelet serve` and `modelet predict`."""

from pathlib import Path
from typing import Annotated

import typer

from modelet.cli.output import MODELS, Models, messages, results

app = typer.Typer()

_STANDARD_INPUT = "-"


@app.command()
def serve(
    models: Models = MODELS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="To listen on; 0 takes a free one.")] = 8080,
    s3_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Where S3 listens, for models that take batches; 9000, or a free one if that is taken.",
        ),
    ] = None,
    snap_start: Annotated[
        bool, typer.Option("--snapstart", help="Start from snapshots where the manifest asks for SnapStart.")
    ] = False,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Show each request, and which version and alias answered.")
    ] = False,
    duplicates: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of batch events that come twice, to see that nothing does."),
    ] = 0.0,
    webhook: Annotated[str | None, typer.Option(help="A URL that hears of every job that has ended.")] = None,
    endpoint_idle_s: Annotated[
        float | None,
        typer.Option(
            min=0, help="Endpoints that may have no instance go to zero after so long without a request."
        ),
    ] = None,
    endpoint_wake_s: Annotated[
        float, typer.Option(min=0, help="How long endpoints take from zero into service.")
    ] = 0.0,
) -> None:
    """Serve all models on this machine, as they run in the cloud; Ctrl-C stops everything.

    What is built, promoted or rolled back meanwhile counts with the next request.
    """
    from modelet.local.aws.batches import BatchSettings
    from modelet.local.endpoint.endpoints import EndpointSettings
    from modelet.local.service import serve as serve_models

    batch = BatchSettings(port=s3_port, duplicates=duplicates)
    serve_models(
        models,
        port,
        console=results,
        snap_start=snap_start,
        access_log=access_log,
        batch=batch,
        webhook=webhook,
        endpoint=EndpointSettings(endpoint_idle_s, endpoint_wake_s),
    )


@app.command()
def predict(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The model, or one version of it.")],
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The body: a file, or - for standard input.")],
    url: Annotated[
        str | None, typer.Option(help="A service to ask; without it the model runs in this process.")
    ] = None,
    media_type: Annotated[
        str | None, typer.Option("--type", help="The body's media type; by default from the file's name.")
    ] = None,
    accept: Annotated[str, typer.Option(help="The answer's media type.")] = "application/json",
    as_job: Annotated[
        bool,
        typer.Option("--async", help="Have the service make a job of it, and wait until that has ended."),
    ] = False,
    models: Models = MODELS,
) -> None:
    """Ask a model: an image, a text, a record or a table in, an answer out."""
    from modelet.client import Body, ask_here, ask_service
    from modelet.later import ask_later

    if as_job and not url:
        raise typer.BadParameter("a job needs a service: name it with --url", param_hint="--async")
    body = Body.read(None if file == _STANDARD_INPUT else Path(file), media_type)
    if url and as_job:
        answer = ask_later(url, name, body, accept, lambda line: messages.print(line, markup=False))
    else:
        answer = ask_service(url, name, body, accept) if url else ask_here(models, name, body, accept)
    typer.echo(answer, nl=not answer.endswith(b"\n"))
