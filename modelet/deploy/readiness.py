"""What a deployment needs of this machine and of the account, asked before anything is done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from modelet.deploy.errors import NotReady
from modelet.deploy.toolkit import PACKAGE
from modelet.doctor import Finding

# Of what the doctor looks for: the rest is for other commands.
_NEEDED = frozenset(
    {
        "Python",
        "functions and layers",
        "packages",
        "ONNX Runtime's C library",
        "extra infra",
        "container builder",
        "AWS credentials",
    }
)
# As `cdk bootstrap` leaves it, and as the templates ask for it.
_BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
_OLDEST_BOOTSTRAP = 6


@dataclass(frozen=True, slots=True)
class Account:
    """Where the models go."""

    number: str
    region: str
    caller: str


def check_machine(findings: Iterable[Finding]) -> None:
    """Refuse to begin what would fail half-way.

    Raises:
        NotReady: The doctor finds something missing that a deployment needs.
    """
    for finding in findings:
        if finding.state == "missing" or (finding.state != "ok" and finding.name in _NEEDED):
            raise NotReady(f"{finding.name}: missing, and a deployment needs it", finding.remedy)


def check_account(session: Any = None) -> Account:
    """Ask AWS who calls, and whether the CDK may deploy there.

    Args:
        session: A boto3 session; by default that of the environment.

    Raises:
        NotReady: There are no valid credentials or no region, or the account is not bootstrapped.
    """
    session = session or boto3.Session()
    region = session.region_name
    if not region:
        raise NotReady("no AWS region is chosen", "set AWS_REGION, or `region` in ~/.aws/config")
    try:
        identity: Mapping[str, str] = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise NotReady(f"AWS does not take the credentials: {error}", "run `aws sso login`") from error
    account = Account(identity["Account"], region, identity["Arn"])
    _check_bootstrap(session, account)
    return account


def _check_bootstrap(session: Any, account: Account) -> None:
    remedy = f"run `npx {PACKAGE} bootstrap aws://{account.number}/{account.region}`"
    where = f"account {account.number} in {account.region}"
    try:
        parameter = session.client("ssm").get_parameter(Name=_BOOTSTRAP_PARAMETER)["Parameter"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise NotReady(f"whether {where} is bootstrapped cannot be read: {error}") from error
        raise NotReady(f"{where} is not bootstrapped for the CDK", remedy) from error
    if int(parameter["Value"]) < _OLDEST_BOOTSTRAP:
        raise NotReady(f"the CDK's bootstrap stack in {where} is version {parameter['Value']}", remedy)
