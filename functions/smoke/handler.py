"""Lambda's entry point for CodeDeploy's hook: the golden inputs to a version before it gets requests."""

import logging
import os
from pathlib import Path

import boto3
from smoke.check import Checker
from smoke.golden import Golden

_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)
_codedeploy = boto3.client("codedeploy")
_checker = Checker(
    boto3.client("lambda"),
    target=os.environ["MODELET_TARGET"],
    model=os.environ["MODELET_MODEL"],
    golden=Golden.load(Path(__file__).parents[1] / "golden.json"),
)


def handler(event: dict[str, str], _context: object) -> None:
    """Check, and tell CodeDeploy, which waits an hour for whoever says nothing."""
    try:
        complaints = _checker.complaints()
    except Exception as error:
        _log.exception("the check itself failed")
        complaints = [repr(error)]
    for complaint in complaints:
        _log.error(complaint)
    _codedeploy.put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed" if complaints else "Succeeded",
    )
