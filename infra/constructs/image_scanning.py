"""Images are scanned for known vulnerabilities when they are pushed."""

from aws_cdk import aws_ecr as ecr
from constructs import Construct

# What `cdk bootstrap` names its repository, which has all images of an account and region.
_REPOSITORIES = "cdk-*-container-assets-*"


class ImageScanning(Construct):
    """The registry's rule for the CDK's repository, which has no scanning of its own.

    The registry of an account and region has one set of rules: this one replaces what was there.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        ecr.CfnRegistryScanningConfiguration(
            self,
            "Rules",
            scan_type="BASIC",
            rules=[
                ecr.CfnRegistryScanningConfiguration.ScanningRuleProperty(
                    scan_frequency="SCAN_ON_PUSH",
                    repository_filters=[
                        ecr.CfnRegistryScanningConfiguration.RepositoryFilterProperty(
                            filter=_REPOSITORIES, filter_type="WILDCARD"
                        )
                    ],
                )
            ],
        )
