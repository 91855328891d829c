"""What endpoints may do, and functions with them."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.acknowledge import acknowledge, acknowledge_wildcards
from infra.assets import Assets
from infra.constructs.answer_topics import AnswerTopics
from infra.constructs.encryption import TABLE_KEY_ACTIONS
from infra.constructs.gpu_endpoint import Answers, ModelData
from infra.constructs.hosting import Hosted, Hosting
from infra.endpoints import own_part, variant_name
from infra.fleet import ModelVersion
from infra.settings import StageSettings
from infra.stacks.jobs import JobStack
from infra.stacks.shared import SharedStack
from modelet_runtime.manifest import ASYNC, Endpoint

ASK, ASK_LATER = "sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync"
# Whether an endpoint is at zero; decision 0198.
LOOK = "sagemaker:DescribeEndpoint"
_PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
_LOG = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]


def own_endpoint(
    scope: Construct,
    version: ModelVersion,
    wanted: Endpoint,
    *,
    settings: StageSettings,
    assets: Assets,
    shared: SharedStack,
    jobs: JobStack,
) -> Hosted:
    """Make an endpoint that comes and goes with a version; decision 0190."""
    bucket, archive = assets.model(scope, version.repository)
    topics = AnswerTopics(scope, "Answers", key=shared.key) if wanted.mode == ASYNC else None
    hosting = Hosting(
        scope,
        "Own",
        variant=variant_name(settings.name, own_part(version)),
        wanted=wanted,
        data=ModelData(bucket.s3_url_for_object(archive), version.manifest.name),
        answers=Answers(jobs.bucket_name, topics.success, topics.error) if topics else None,
        settings=settings,
        key=shared.key,
        topic=shared.topic,
    )
    grant_hosting(hosting, shared.key)
    _grant(hosting.role, ["s3:GetObject"], bucket.arn_for_objects(archive))
    if topics:
        jobs.grant_endpoint(hosting.role)
        _grant(hosting.role, ["sns:Publish"], topics.success.topic_arn, topics.error.topic_arn)
    actions = (LOOK, ASK_LATER) if topics and wanted.cpu_twin else (ASK_LATER if topics else ASK,)
    return Hosted(hosting.endpoint.name, hosting.endpoint.arn, actions, topics=topics)


def grant_hosting(hosting: Hosting, key: kms.IKey | None) -> None:
    """Let an endpoint pull its server, and write logs and metrics.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    role, stack = hosting.role, cdk.Stack.of(hosting)
    logs = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name="/aws/sagemaker/Endpoints/*",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    _grant(role, ["ecr:GetAuthorizationToken"], "*")
    _grant(role, _PULL, hosting.image.repository_arn)
    _grant(role, _LOG, logs)
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
        )
    )
    if key:
        key.grant(role, *TABLE_KEY_ACTIONS)
    acknowledge(role, {"AwsSolutions-IAM5[Resource::*]": "A token and metrics, which take no resource."})
    acknowledge_wildcards(role, "SageMaker names the log group as it names the endpoint.", logs)


def grant_ask(scope: Construct, construct_id: str, role: iam.Role, hosted: Hosted) -> None:
    """Let a function ask the endpoint of its version, and of several models there for its own.

    A policy for each version: while a new one is shifted in, the one before goes on asking its own.
    """
    condition = {"StringEquals": {"sagemaker:TargetModel": hosted.archive}} if hosted.archive else None
    iam.Policy(
        scope,
        construct_id,
        roles=[role],
        statements=[
            iam.PolicyStatement(actions=[*hosted.actions], resources=[hosted.arn], conditions=condition)
        ],
    )


def _grant(role: iam.Role, actions: list[str], *resources: str) -> None:
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))
