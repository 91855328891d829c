"""`modelet deploy` and `modelet destroy`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelet.cli.output import MODELS, AsJson, Models, messages, print_json, results

if TYPE_CHECKING:
    from modelet.deploy.assembly import Assembly
    from modelet.deploy.proof import Credentials, Proof
    from modelet.deploy.readiness import Account
    from modelet.deploy.toolkit import Toolkit

app = typer.Typer()

Stage = Annotated[str, typer.Option(help="A stage of infra/config.py.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Header = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME:VALUE", help="A header that lets callers in, such as x-api-key:...", show_default=False
    ),
]


@app.command()
def deploy(
    stage: Stage = "dev",
    yes: Yes = False,
    header: Header = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Deploy all models: check what it needs, show what changes, deploy, and ask the golden inputs.

    It is `cdk deploy --all` with what stands before and after it; nothing else is deployed, or otherwise.
    """
    from modelet.deploy.assembly import Assembly, addresses

    extra = _headers(header or [])
    account = _check()
    toolkit = _toolkit(stage)
    toolkit.synthesise()
    toolkit.diff()
    for cost in Assembly(toolkit.assembly).costs:
        messages.print(cost, markup=False)
    if not yes:
        typer.confirm(f"Deploy this to account {account.number} in {account.region}?", abort=True, err=True)
    with tempfile.TemporaryDirectory() as scratch:
        outputs = Path(scratch) / "outputs.json"
        toolkit.deploy(outputs)
        urls = addresses(outputs, stage)
    proofs = _prove(urls, models, _credentials(Assembly(toolkit.assembly), extra, account))
    _tell(urls, proofs, as_json)


@app.command()
def destroy(stage: Stage = "dev", yes: Yes = False) -> None:
    """Delete a stage, and say what stays."""
    from modelet.deploy.assembly import Assembly
    from modelet.deploy.leftovers import refuse_if_protected, staying

    account = _check()
    toolkit = _toolkit(stage)
    toolkit.synthesise()
    assembly = Assembly(toolkit.assembly)
    refuse_if_protected(assembly, stage)
    stays = staying(assembly)
    messages.print("These stay:", markup=False)
    for line in stays:
        messages.print(f"  {line}", markup=False)
    if not yes:
        question = f"Delete stage {stage} from account {account.number} in {account.region}?"
        typer.confirm(question, abort=True, err=True)
    toolkit.destroy()


def _check() -> Account:
    from modelet.deploy.readiness import check_account, check_machine
    from modelet.doctor import examine

    check_machine(examine())
    account = check_account()
    messages.print(f"account {account.number}, {account.region}, as {account.caller}", markup=False)
    return account


def _toolkit(stage: str) -> Toolkit:
    from modelet import paths
    from modelet.deploy.toolkit import Toolkit
    from modelet.packaging.builder import choose

    return Toolkit(paths.root(), stage, builder=choose())


def _headers(texts: list[str]) -> dict[str, str]:
    headers = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise typer.BadParameter(f"{text!r} has no colon", param_hint="--header")
        headers[name.strip().lower()] = value.strip()
    return headers


def _credentials(assembly: Assembly, extra: dict[str, str], account: Account) -> Credentials:
    from modelet.deploy.credentials import named, signed

    if extra or not assembly.takes_signatures:
        return named(extra)
    return signed(account.region)


def _prove(urls: dict[str, str], models: Path, credentials: Credentials) -> list[Proof]:
    from modelet.deploy.proof import prove
    from modelet.golden import Golden
    from modelet.repository import Repository

    proofs = []
    for name, url in urls.items():
        version = Repository(models).version(name)
        endpoint = version.manifest.endpoint
        if endpoint and endpoint.mode == "async":
            messages.print(f"{name}: queues what it is asked, so nobody waits for its answers", markup=False)
            continue
        with messages.status(f"{name}: golden inputs"):
            golden = Golden.load(version.folder)
            proofs.append(prove(url, name, golden, credentials))
    return proofs


def _tell(urls: dict[str, str], proofs: list[Proof], as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json([{**asdict(proof), "url": urls[proof.model]} for proof in proofs])
        return
    for proof in proofs:
        left_out = f", {proof.left_out} too large to send" if proof.left_out else ""
        results.print(
            f"{proof.model}  {urls[proof.model]}  answers {proof.cases} golden inputs as proven{left_out}",
            markup=False,
        )
