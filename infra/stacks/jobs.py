"""What the functions of all models share for requests that are answered later: a table and a bucket."""

from collections.abc import Mapping

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.acknowledge import acknowledge_wildcards
from infra.constructs.encryption import TABLE_KEY_ACTIONS
from infra.constructs.gpu_endpoint import ASYNC_FAILURE, ASYNC_INPUT, ASYNC_OUTPUT
from infra.constructs.job_bucket import JOBS, UPLOADS, JobBucket
from infra.constructs.job_table import JobTable
from infra.settings import StageSettings
from infra.stacks.base import StageStack
from infra.stacks.shared import SharedStack

_RECORDS = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]


class JobStack(StageStack):
    """Every stage has it: nothing of it costs anything before there is a job.

    Attributes:
        bucket_name: The bucket, for other stacks.
        variables: What functions have to know.
    """

    def __init__(self, scope: Construct, *, settings: StageSettings, shared: SharedStack) -> None:
        super().__init__(scope, "jobs", settings=settings, description="requests that are answered later")
        self._key: kms.IKey | None = shared.key
        bucket = JobBucket(self, "Objects", settings=settings, key=shared.key).bucket
        table = JobTable(self, "Records", settings=settings, key=shared.key).table
        self.bucket_name = self.export_value(bucket.bucket_name)
        self._bucket_arn = self.export_value(bucket.bucket_arn)
        self._table_arn = self.export_value(table.table_arn)
        self.variables: Mapping[str, str] = {
            "MODELET_JOBS_TABLE": self.export_value(table.table_name),
            "MODELET_JOBS_BUCKET": self.bucket_name,
            "MODELET_JOBS_KEPT_DAYS": str(settings.jobs.kept_days),
            **({"MODELET_JOBS_WEBHOOK": settings.jobs.webhook} if settings.jobs.webhook else {}),
        }

    def grant_work(self, role: iam.Role, *, is_async: bool) -> None:
        """Let a model's function take jobs and answer them, asynchronous endpoints by way of S3."""
        asked = (ASYNC_OUTPUT, ASYNC_FAILURE) if is_async else ()
        put = (ASYNC_INPUT,) if is_async else ()
        self._grant(role, read=(UPLOADS, JOBS, *asked), write=(JOBS, *put))

    def grant_tell(self, role: iam.Role) -> None:
        """Let the catalog tell of jobs, give their results out and take uploads."""
        self._grant(role, read=(JOBS,), write=(UPLOADS,))

    def grant_endpoint(self, role: iam.Role) -> None:
        """Let an asynchronous endpoint read requests and write answers."""
        self._grant_objects(role, read=(ASYNC_INPUT,), write=(ASYNC_OUTPUT, ASYNC_FAILURE))

    def _grant(self, role: iam.Role, *, read: tuple[str, ...], write: tuple[str, ...]) -> None:
        role.add_to_policy(iam.PolicyStatement(actions=_RECORDS, resources=[self._table_arn]))
        self._grant_objects(role, read=read, write=write)

    def _grant_objects(self, role: iam.Role, *, read: tuple[str, ...], write: tuple[str, ...]) -> None:
        readable = [f"{self._bucket_arn}/{prefix}*" for prefix in read]
        writable = [f"{self._bucket_arn}/{prefix}*" for prefix in write]
        for actions, resources in (
            (["s3:GetObject"], readable),
            (["s3:PutObject"], writable),
            # Without it S3 says 403 of what is not there.
            (["s3:ListBucket"], [self._bucket_arn]),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
        acknowledge_wildcards(
            role, "Jobs and uploads, whose names are drawn at random.", *readable, *writable
        )
        if self._key:
            self._key.grant(role, *TABLE_KEY_ACTIONS)
