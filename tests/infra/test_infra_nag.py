"""cdk-nag's AwsSolutions and Serverless packs find nothing that is not acknowledged with its reason."""

import json
from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import cdk_nag
import pytest

from infra.app import new_app
from infra.service import Service
from infra.settings import StageSettings
from infra.sources import Sources


def findings(app: cdk.App, folder: Path):
    # cdk-nag 3 is a plugin of the app's validation, not an aspect.
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app), cdk_nag.ServerlessChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
    reports = json.loads((folder / "validation-report.json").read_text())["pluginReports"]
    return [
        (violation["ruleName"], construct["constructPath"])
        for report in reports
        for violation in report["violations"]
        for construct in violation["violatingConstructs"]
    ]


@pytest.mark.parametrize("variant", ["dev", "prod", "keys", "tokens", "rest", "gpu"])
def test_nothing_is_found(
    variant: str,
    checkout_of: Callable[[str], Path],
    settings_of: Callable[[str], StageSettings],
    tmp_path: Path,
):
    sources = Sources(checkout_of(variant))
    app = new_app(sources, tmp_path)
    Service(app, settings=settings_of(variant), sources=sources)
    assert findings(app, tmp_path) == []


def test_the_packs_do_look(tmp_path: Path):
    # A clean report would also come of packs that are not run.
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    cdk.aws_sqs.Queue(cdk.Stack(app, "careless"), "Queue")
    assert {rule for rule, _ in findings(app, tmp_path)} >= {
        "AwsSolutions-SQS4",
        "Serverless-SQSRedrivePolicy",
    }
