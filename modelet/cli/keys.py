"""`modelet key`: who may call a stage that asks for API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelet.cli.output import AsJson, messages, print_json, results

if TYPE_CHECKING:
    from modelet.deploy.api_keys import ApiKey

app = typer.Typer()
key = typer.Typer(no_args_is_help=True)
app.add_typer(key, name="key", help="API keys of a deployed stage: create, list, revoke.")

Stage = Annotated[str, typer.Option(help="A stage of infra/config.py whose authorization is ApiKeys().")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="Who it is for; part of the key, and no secret.")]


@key.command()
def create(
    key_id: KeyId,
    scope: Annotated[
        list[str],
        typer.Option(metavar="ACTION:MODEL", help="What it opens: read:M, predict:M or *:M; M may be *."),
    ],
    per_day: Annotated[int | None, typer.Option(min=1, help="How many requests a day it may make.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="After how many days it ends.")] = None,
    stage: Stage = "prod",
) -> None:
    """Make a key, and print it; it is kept nowhere and cannot be shown again."""
    from modelet.deploy.api_keys import ApiKey, ApiKeys, expiry_s

    made = ApiKeys.of_stage(stage).create(ApiKey(key_id, tuple(scope), per_day, expiry_s(days)))
    messages.print("Keep it now: only its digest is stored. Callers send it as x-api-key.", markup=False)
    typer.echo(made)


@key.command("list")
def list_keys(stage: Stage = "prod", as_json: AsJson = False) -> None:
    """Show the keys of a stage, without what they open it with."""
    from dataclasses import asdict

    from modelet.deploy.api_keys import ApiKeys

    keys = ApiKeys.of_stage(stage).all()
    if as_json:
        print_json([asdict(each) for each in keys])
        return
    for each in keys:
        results.print(_line(each), markup=False)


@key.command()
def revoke(key_id: KeyId, stage: Stage = "prod") -> None:
    """Delete a key: its next request is refused, or where decisions are cached the first one after that."""
    from modelet.deploy.api_keys import ApiKeys

    ApiKeys.of_stage(stage).revoke(key_id)
    results.print(f"revoked {key_id}", markup=False)


def _line(stored: ApiKey) -> str:
    from datetime import UTC, datetime

    quota = f"{stored.requests_per_day} a day" if stored.requests_per_day else "no quota"
    end = stored.expires_at_s
    until = f"until {datetime.fromtimestamp(end, UTC):%Y-%m-%d}" if end else "without end"
    return f"{stored.key_id}  {' '.join(stored.scopes)}  {quota}  {until}"
