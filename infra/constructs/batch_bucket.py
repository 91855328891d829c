"""Buckets that files go into and results come out of."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.settings import StageSettings
from modelet_runtime.batch.identity import WORK_PREFIX

_WORK_DAYS = 7
_UPLOAD_DAYS = 7


class BatchBucket(Construct):
    """A private bucket with versions, reached by TLS only; or one that was there before, as it is.

    Attributes:
        bucket: The bucket.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        existing: str | None,
        settings: StageSettings,
        key: kms.IKey | None,
        announces: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket: s3.IBucket
        if existing:
            self.bucket = s3.Bucket.from_bucket_name(self, "Bucket", existing)
            return
        made = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            lifecycle_rules=_lifecycle(settings, has_work=not announces),
            # What people dropped is never deleted with a stack: one that is not empty stays.
            removal_policy=cdk.RemovalPolicy.RETAIN if settings.retain_data else cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(
            made,
            {
                "AwsSolutions-S1": "Who read or wrote what is for CloudTrail's data events, if the owner"
                " wants them; what a run did, its record and its report say.",
            },
        )
        if announces:
            _announce(made)
        self.bucket = made


def _announce(bucket: s3.Bucket) -> None:
    """Have S3 tell EventBridge of objects; the L2 property would bring a function of its own."""
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)
    resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    )


def _lifecycle(settings: StageSettings, *, has_work: bool) -> list[s3.LifecycleRule]:
    rules = [
        s3.LifecycleRule(
            id="left-over",
            abort_incomplete_multipart_upload_after=cdk.Duration.days(_UPLOAD_DAYS),
            noncurrent_version_expiration=cdk.Duration.days(settings.batch.replaced_days),
            expired_object_delete_marker=True,
        )
    ]
    if has_work:
        rules.append(
            s3.LifecycleRule(
                id="work",
                prefix=WORK_PREFIX,
                expiration=cdk.Duration.days(_WORK_DAYS),
                noncurrent_version_expiration=cdk.Duration.days(1),
            )
        )
    return rules
