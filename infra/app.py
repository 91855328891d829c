"""`python -m infra.app [--only-built] [STAGE]`: synthesises a stage into the cloud assembly `cdk.out`.

With `--only-built` models are left out that are not built here, as those whose framework is not installed.

The CDK's CLI runs it too, with the stage as context: `cdk deploy --all --context stage=prod`.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import aws_cdk as cdk

from infra.config import called_by_cli, stage
from infra.errors import InfraError
from infra.service import Service
from infra.sources import Sources
from modelet_runtime.errors import ArtifactError

DEFAULT_STAGE = "dev"
_OUTDIR = "cdk.out"
_ONLY_BUILT = "--only-built"


def new_app(sources: Sources, outdir: Path | None = None) -> cdk.App:
    """An app with the CDK's feature flags of `cdk.json`, which without the CLI nobody else would read.

    Args:
        sources: Where `cdk.json` is.
        outdir: Where the assembly goes; None leaves that to the CLI.
    """
    flags = json.loads(sources.cdk_json.read_bytes())["context"]
    return cdk.App(outdir=str(outdir) if outdir else None, context=flags, analytics_reporting=False)


def main() -> None:
    """Synthesise the stage that the command line or the CLI's context names."""
    arguments = [argument for argument in sys.argv[1:] if argument != _ONLY_BUILT]
    sources = replace(Sources.of_this_checkout(), only_built=_ONLY_BUILT in sys.argv)
    by_cli = called_by_cli()
    app = new_app(sources, None if by_cli else sources.root / _OUTDIR)
    name = arguments[0] if arguments else app.node.try_get_context("stage") or DEFAULT_STAGE
    try:
        service = Service(app, settings=stage(name), sources=sources)
    except (InfraError, ArtifactError) as error:
        sys.exit(f"infra: {error}")
    app.synth()
    # What goes through the CLI is a template.
    for cost in service.costs:
        (sys.stderr if by_cli else sys.stdout).write(f"endpoint {cost}\n")
    if not by_cli:
        sys.stdout.write(
            f"{_OUTDIR}: stage {name}, {len(service.models)} models in {len(service.stacks)} stacks\n"
        )
        left_out = {path.parent.name for path in sources.models.glob("*/versions")} - set(service.models)
        for model in sorted(left_out):
            sys.stdout.write(f"left out: {model}, which is not built here\n")


if __name__ == "__main__":
    main()
