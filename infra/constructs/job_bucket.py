"""The bucket of jobs: uploads, requests, results, and what asynchronous endpoints read and write."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.settings import StageSettings

UPLOADS, JOBS = "uploads/", "jobs/"
_UPLOAD_DAYS = 1


class JobBucket(Construct):
    """A private bucket that forgets everything after some days, reached by TLS only.

    Attributes:
        bucket: The bucket.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: StageSettings, key: kms.IKey | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="over",
                    expiration=cdk.Duration.days(settings.jobs.kept_days),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(_UPLOAD_DAYS),
                )
            ],
            cors=_cors(settings),
            removal_policy=cdk.RemovalPolicy.RETAIN if settings.retain_data else cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.bucket,
            {
                "AwsSolutions-S1": "Who read or wrote what is for CloudTrail's data events, if the owner"
                " wants them; what became of a job, its record says.",
            },
        )


def _cors(settings: StageSettings) -> list[s3.CorsRule] | None:
    """Web pages upload and fetch here what they send to and get from the API."""
    if settings.cors is None:
        return None
    return [
        s3.CorsRule(
            allowed_origins=list(settings.cors.origins),
            allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.POST],
            allowed_headers=["*"],
            max_age=settings.cors.max_age_s,
        )
    ]
