"""A SageMaker endpoint: the model, how it is hosted, and the endpoint that callers name."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.settings import StageSettings
from modelet_runtime.manifest import ASYNC, Endpoint

# In the bucket of jobs.
ASYNC_INPUT, ASYNC_OUTPUT, ASYNC_FAILURE = "endpoint/in/", "endpoint/out/", "endpoint/failed/"
# The new fleet gets all requests at once, and the old one waits so long for an alarm to call it back.
_BAKING_S, _KEPT_S, _LONGEST_S = 300, 300, 3600
# Whatever else has disks of its own, which a key of ours cannot encrypt: SageMaker refuses to be given one.
# Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
_WITHOUT_DISKS = ("ml.p2.", "ml.p3.")


@dataclass(frozen=True, slots=True)
class ModelData:
    """What the server serves.

    Attributes:
        url: An archive with a model repository, or what stands before the archives of several.
        model: The model in the archive; None where each call names an archive.
    """

    url: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """Where an asynchronous endpoint puts what it answers, and whom it tells."""

    bucket_name: str
    success: sns.ITopic
    error: sns.ITopic


class GpuEndpoint(Construct):
    """Model, configuration and endpoint, none of which has a name of ours: each change makes new ones.

    Attributes:
        name: What calls name it by.
        arn: What grants name it by.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        variant: str,
        wanted: Endpoint,
        image: str,
        data: ModelData,
        role: iam.Role,
        answers: Answers | None,
        rollback: Sequence[cloudwatch.IAlarm],
        settings: StageSettings,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            enable_network_isolation=True,
            primary_container=_container(image, data),
        )
        # SageMaker looks at the archive with this role while it makes the model.
        model.node.add_dependency(role)
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=variant,
                    model_name=model.attr_model_name,
                    instance_type=wanted.instance_type,
                    # SageMaker begins with one; scaling takes it away.
                    initial_instance_count=max(1, wanted.min_instances),
                    initial_variant_weight=1,
                    inference_ami_version=settings.triton.ami,
                    model_data_download_timeout_in_seconds=settings.triton.startup_s,
                    container_startup_health_check_timeout_in_seconds=settings.triton.startup_s,
                    routing_config=_routing(wanted, data),
                )
            ],
            async_inference_config=_asynchronous(answers, key) if answers else None,
            kms_key_id=key.key_arn if key and wanted.instance_type.startswith(_WITHOUT_DISKS) else None,
        )
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_config_name=config.attr_endpoint_config_name,
            # What scaling has made of the number of instances survives a deployment.
            retain_all_variant_properties=True,
            deployment_config=_deployment(rollback),
        )
        self.name = endpoint.attr_endpoint_name
        self.arn = endpoint.ref


def _container(image: str, data: ModelData) -> sagemaker.CfnModel.ContainerDefinitionProperty:
    environment = {"SAGEMAKER_TRITON_LOG_VERBOSE": "false"}
    if data.model is not None:
        environment["SAGEMAKER_TRITON_DEFAULT_MODEL_NAME"] = data.model
    return sagemaker.CfnModel.ContainerDefinitionProperty(
        image=image,
        mode="SingleModel" if data.model is not None else "MultiModel",
        model_data_url=data.url,
        environment=environment,
    )


def _routing(wanted: Endpoint, data: ModelData) -> sagemaker.CfnEndpointConfig.RoutingConfigProperty | None:
    """To the instance with the fewest requests; with several models SageMaker knows who has loaded which."""
    if wanted.mode == ASYNC or data.model is None:
        return None
    return sagemaker.CfnEndpointConfig.RoutingConfigProperty(routing_strategy="LEAST_OUTSTANDING_REQUESTS")


def _asynchronous(
    answers: Answers, key: kms.IKey | None
) -> sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty:
    where = f"s3://{answers.bucket_name}"
    return sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty(
        output_config=sagemaker.CfnEndpointConfig.AsyncInferenceOutputConfigProperty(
            s3_output_path=f"{where}/{ASYNC_OUTPUT.rstrip('/')}",
            s3_failure_path=f"{where}/{ASYNC_FAILURE.rstrip('/')}",
            kms_key_id=key.key_arn if key else None,
            notification_config=sagemaker.CfnEndpointConfig.AsyncInferenceNotificationConfigProperty(
                success_topic=answers.success.topic_arn, error_topic=answers.error.topic_arn
            ),
        )
    )


def _deployment(
    rollback: Sequence[cloudwatch.IAlarm],
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    alarms = [sagemaker.CfnEndpoint.AlarmProperty(alarm_name=alarm.alarm_name) for alarm in rollback]
    return sagemaker.CfnEndpoint.DeploymentConfigProperty(
        auto_rollback_configuration=(
            sagemaker.CfnEndpoint.AutoRollbackConfigProperty(alarms=alarms) if alarms else None
        ),
        blue_green_update_policy=sagemaker.CfnEndpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
                type="ALL_AT_ONCE", wait_interval_in_seconds=_BAKING_S
            ),
            termination_wait_in_seconds=_KEPT_S,
            maximum_execution_timeout_in_seconds=_LONGEST_S,
        ),
    )
