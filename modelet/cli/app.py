"""All commands, in the order in which help shows them."""

import typer

from modelet.cli import (
    aliases,
    batch,
    bench,
    build,
    compare,
    deploy,
    doctor,
    images,
    keys,
    look,
    serve,
    steps,
)

app = typer.Typer(
    help="One model, one function: from a trained model to an artifact, a function and a service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for part in (build, steps, look, compare, aliases, serve, batch, bench, doctor, images, deploy, keys):
    app.add_typer(part.app)
