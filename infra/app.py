"""`python -m infra.app [STAGE]`: synthesises a stage into the cloud assembly `cdk.out`.

The CDK's CLI runs it too, with the stage as context: `cdk deploy --all --context stage=prod`.
"""

import json
import sys
from pathlib import Path

import aws_cdk as cdk

from infra.config import called_by_cli, stage
from infra.errors import InfraError
from infra.service import Service
from infra.sources import Sources
from modelet_runtime.errors import ArtifactError

DEFAULT_STAGE = "dev"
_OUTDIR = "cdk.out"


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
    sources = Sources.of_this_checkout()
    by_cli = called_by_cli()
    app = new_app(sources, None if by_cli else sources.root / _OUTDIR)
    name = sys.argv[1] if len(sys.argv) > 1 else app.node.try_get_context("stage") or DEFAULT_STAGE
    try:
        service = Service(app, settings=stage(name), sources=sources)
    except (InfraError, ArtifactError) as error:
        sys.exit(f"infra: {error}")
    app.synth()
    if not by_cli:
        sys.stdout.write(
            f"{_OUTDIR}: stage {name}, {len(service.models)} models in {len(service.stacks)} stacks\n"
        )


if __name__ == "__main__":
    main()
