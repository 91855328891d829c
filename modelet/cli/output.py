"""What commands print: results to standard output, everything about the way there to standard error."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from modelet import paths
from modelet.errors import OwnerCodeFailed

REFUSED = 1

results = Console(soft_wrap=True, highlight=False)
messages = Console(stderr=True, soft_wrap=True, highlight=False)

Models = Annotated[Path, typer.Option("--models", help="The folder of the models.", show_default=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MODELS = paths.MODELS


def print_json(document: object) -> None:
    """Print a document for programs."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def refuse(error: Exception) -> int:
    """Say in one sentence why a command did not do what was asked; gives the exit code."""
    if isinstance(error, OwnerCodeFailed) and error.output:
        messages.print(error.output, style="dim", markup=False)
    messages.print(f"modelet: {error}", style="red", markup=False)
    return REFUSED
