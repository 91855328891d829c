"""An endpoint with what makes it, scales it and watches it."""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.answer_topics import AnswerTopics
from infra.constructs.endpoint_alarms import EndpointAlarms, RollbackAlarms
from infra.constructs.endpoint_scaling import EndpointScaling
from infra.constructs.gpu_endpoint import Answers, GpuEndpoint, ModelData
from infra.constructs.triton_image import TritonImage
from infra.pricing import at_rest
from infra.settings import StageSettings
from modelet_runtime.manifest import Endpoint


@dataclass(frozen=True, slots=True)
class Hosted:
    """The graph of a version, as its function asks for it.

    Attributes:
        endpoint: The endpoint's name.
        arn: Its ARN.
        actions: What the function may do with it.
        archive: Which of several models is meant, by the key of its archive; None where there is one.
        topics: Where it tells of its answers; None where it gives them at once.
    """

    endpoint: str
    arn: str
    actions: tuple[str, ...]
    archive: str | None = None
    topics: AnswerTopics | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What the runtime has to know."""
        model = {"MODELET_ENDPOINT_MODEL": self.archive} if self.archive else {}
        return {"MODELET_ENDPOINT": self.endpoint, **model}


class Hosting(Construct):
    """Everything of one endpoint but permissions.

    Attributes:
        role: What SageMaker acts as.
        image: The server.
        endpoint: The endpoint.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        variant: str,
        wanted: Endpoint,
        data: ModelData,
        answers: Answers | None,
        settings: StageSettings,
        key: kms.IKey | None,
        topic: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.image = TritonImage(self, "Image", settings=settings)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        guards = (
            RollbackAlarms(self, "Guards", variant=variant, wanted=wanted, topic=topic).alarms
            if topic
            else []
        )
        self.endpoint = GpuEndpoint(
            self,
            "Gpu",
            variant=variant,
            wanted=wanted,
            image=self.image.uri,
            data=data,
            role=self.role,
            answers=answers,
            rollback=guards,
            settings=settings,
            key=key,
        )
        name = self.endpoint.name
        if wanted.max_instances > wanted.min_instances:
            EndpointScaling(self, "Scaling", endpoint_name=name, variant=variant, wanted=wanted)
        if topic:
            EndpointAlarms(self, "Alarms", endpoint_name=name, variant=variant, wanted=wanted, topic=topic)
        # `modelet deploy` looks for these.
        cdk.CfnOutput(
            self,
            "CostAtRest",
            value=at_rest(wanted.instance_type, wanted.min_instances),
            description=f"Endpoint {variant}",
        )
