"""The container image of the endpoints: AWS's Triton, or one's own."""

import re

import aws_cdk as cdk
from constructs import Construct

from infra.errors import SettingsRefused
from infra.settings import StageSettings

_REPOSITORY = "sagemaker-tritonserver"
_ACCOUNT = "account"
_MOST = "763104351884"
# Who has AWS's image, by region.
# Source: https://github.com/aws/sagemaker-python-sdk/blob/master/src/sagemaker/image_uri_config/sagemaker-tritonserver.json
_ACCOUNTS = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-northeast-1": _MOST,
    "ap-northeast-2": _MOST,
    "ap-northeast-3": "364406365360",
    "ap-south-1": _MOST,
    "ap-southeast-1": _MOST,
    "ap-southeast-2": _MOST,
    "ap-southeast-3": "907027046896",
    "ca-central-1": _MOST,
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-1": _MOST,
    "eu-north-1": _MOST,
    "eu-south-1": "692866216735",
    "eu-west-1": _MOST,
    "eu-west-2": _MOST,
    "eu-west-3": _MOST,
    "il-central-1": "780543022126",
    "me-south-1": "217643126080",
    "sa-east-1": _MOST,
    "us-east-1": _MOST,
    "us-east-2": _MOST,
    "us-west-1": _MOST,
    "us-west-2": _MOST,
}
_IN_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)[:@].+")


class TritonImage(Construct):
    """Where the image is.

    Attributes:
        uri: As SageMaker takes it.
        repository_arn: What the endpoint's role may pull from.

    Raises:
        SettingsRefused: AWS has no image in this region, or one's own is not named in full.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: StageSettings) -> None:
        super().__init__(scope, construct_id)
        wanted, stack = settings.triton, cdk.Stack.of(self)
        if wanted.image:
            parts = _IN_ECR.fullmatch(wanted.image)
            if parts is None:
                raise SettingsRefused(
                    f"{settings.name}: triton: image: expected"
                    f" <account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>, got '{wanted.image}'"
                )
            account, region, repository = parts.groups()
            self.uri = wanted.image
        else:
            account, region, repository = self._account(settings), stack.region, _REPOSITORY
            self.uri = f"{account}.dkr.ecr.{region}.{stack.url_suffix}/{repository}:{wanted.tag}"
        self.repository_arn = stack.format_arn(
            service="ecr", account=account, region=region, resource="repository", resource_name=repository
        )

    def _account(self, settings: StageSettings) -> str:
        region = cdk.Stack.of(self).region
        if not cdk.Token.is_unresolved(region) and region not in _ACCOUNTS:
            raise SettingsRefused(
                f"{settings.name}: AWS has no image of Triton in {region} that is known here: name one in"
                " triton.image"
            )
        accounts = {name: {_ACCOUNT: account} for name, account in _ACCOUNTS.items()}
        return cdk.CfnMapping(self, "Accounts", mapping=accounts).find_in_map(region, _ACCOUNT)
