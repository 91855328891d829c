"""One model: deployed, shifted in and rolled back without any other."""

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.assets import Assets, Files
from infra.batching import Lane, lanes
from infra.constructs.batch_function import COMMAND as _BATCH_COMMAND
from infra.constructs.batch_lane import BatchLane
from infra.constructs.canary import Canary
from infra.constructs.hosting import Hosted
from infra.constructs.http_api import HttpDoor
from infra.constructs.model_alarms import ModelAlarms
from infra.constructs.model_dashboard import ModelDashboard
from infra.constructs.model_function import ModelFunction
from infra.constructs.model_metrics import ModelMetrics
from infra.constructs.model_routes import ModelRoutes
from infra.constructs.smoke_test import SmokeTest
from infra.fleet import GOLDEN, FleetModel, ModelVersion
from infra.settings import StageSettings
from infra.stacks.base import StageStack, grant_basics
from infra.stacks.batch import BatchStack
from infra.stacks.endpoint import EndpointStack
from infra.stacks.hosting import grant_ask, own_endpoint
from infra.stacks.jobs import JobStack
from infra.stacks.shared import SharedStack
from modelet_runtime.aliases import LIVE
from modelet_runtime.manifest import ASYNC, Endpoint

_COMMAND = "predict.handler.handler"


class ModelStack(StageStack):
    """The live version with its routes, alarms, dashboard and canary, and the versions beside it.

    Attributes:
        model: The model.
        live: The function of the live version.
        functions: Those of all versions, by number.
        lanes: The ways of files, by version number.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        model: FleetModel,
        settings: StageSettings,
        assets: Assets,
        smoke: Files,
        shared: SharedStack,
        jobs: JobStack,
        endpoints: Mapping[str, EndpointStack],
        batch: BatchStack | None,
        distributed_map: Path,
        door: HttpDoor | None,
        door_number: int,
    ) -> None:
        part = f"model-{model.name.replace('_', '-')}"
        super().__init__(scope, part, settings=settings, description=f"the model {model.name}")
        self.model = model
        self._settings = settings
        self._assets = assets
        self._shared = shared
        self._jobs = jobs
        self._endpoints = endpoints
        self._hosted: dict[int, Hosted] = {}
        self.live = self._function("Live", model.live)
        self.functions = {
            **{v.number: self._function(f"Version{v.number}", v) for v in model.beside},
            model.live.number: self.live,
        }
        self.lanes: dict[int, BatchLane] = {}
        if batch:
            for lane in lanes(model):
                self.lanes[lane.version.number] = self._lane(lane, batch, distributed_map)
        self._watch(model.live, smoke)
        if door:
            self._open(door, model)
        cdk.CfnOutput(self, "Model", value=model.name, description="Its name in URLs")
        cdk.CfnOutput(self, "FrontDoor", value=str(door_number), description="The front door it is behind")

    def _function(self, construct_id: str, version: ModelVersion) -> ModelFunction:
        scope = Construct(self, f"{construct_id}Image")
        code = self._assets.image(
            scope,
            context=version.context,
            architecture=version.manifest.resources.architecture,
            command=_COMMAND,
        )
        hosted = None
        if version.endpoint:
            hosting = Construct(self, f"Endpoint{version.number}")
            hosted = self._hosted[version.number] = self._host(hosting, version, version.endpoint)
        function = ModelFunction(
            self,
            construct_id,
            manifest=version.manifest,
            alias=version.alias,
            code=code,
            environment={**self._jobs.variables, **(hosted.environment if hosted else {})},
            settings=self._settings,
            key=self._shared.key,
        )
        grant_basics(function, key=self._shared.key)
        self._grant_jobs(construct_id, function, version)
        if hosted:
            grant_ask(hosting, "Ask", function.role, hosted)
            function.function.node.add_dependency(hosting)
            if hosted.topics:
                hosted.topics.tell(function.alias)
        return function

    def _grant_jobs(self, construct_id: str, function: ModelFunction, version: ModelVersion) -> None:
        """Jobs; and to invoke itself, for each that it takes."""
        is_async = version.endpoint is not None and version.endpoint.mode == ASYNC
        self._jobs.grant_work(function.role, is_async=is_async)
        # Not in the role's own policy, which the function waits for and which would wait for the function.
        iam.Policy(
            self,
            f"{construct_id}Itself",
            roles=[function.role],
            statements=[
                iam.PolicyStatement(
                    actions=["lambda:InvokeFunction"],
                    resources=[f"{function.function.function_arn}:{version.alias}"],
                )
            ],
        )

    def _host(self, scope: Construct, version: ModelVersion, wanted: Endpoint) -> Hosted:
        """The endpoint of a version: its group's, or one of its own."""
        if wanted.group:
            return self._endpoints[wanted.group].host(scope, version)
        return own_endpoint(
            scope,
            version,
            wanted,
            settings=self._settings,
            assets=self._assets,
            shared=self._shared,
            jobs=self._jobs,
        )

    def _lane(self, lane: Lane, shared: BatchStack, distributed_map: Path) -> BatchLane:
        version = lane.version
        hosted = self._hosted.get(version.number)
        made = BatchLane(
            self,
            lane.construct_id,
            lane=lane,
            code=self._assets.image(
                Construct(self, f"{lane.construct_id}Image"),
                context=version.context,
                architecture=version.manifest.resources.architecture,
                command=_BATCH_COMMAND,
            ),
            definition=distributed_map,
            environment=hosted.environment if hosted else {},
            shared=shared,
            settings=self._settings,
            key=self._shared.key,
            topic=self._shared.topic,
        )
        grant_basics(made.batch, key=self._shared.key)
        if hosted:
            grant_ask(self, f"{lane.construct_id}Ask", made.batch.role, hosted)
        queue = made.queues.queue.queue_url
        # `modelet batch` looks for these.
        if lane.is_live:
            cdk.CfnOutput(self, "BatchQueue", value=queue, description="Feeds the live version's files")
        cdk.CfnOutput(
            self, f"BatchQueue{version.number}", value=queue, description=f"Feeds version {version.number}"
        )
        return made

    def _open(self, door: HttpDoor, model: FleetModel) -> None:
        for version in (model.live, *model.beside):
            part = "Routes" if version is model.live else f"Routes{version.number}"
            alias = self.functions[version.number].alias
            ModelRoutes(self, part, door=door, routes=version.routes(), alias=alias)

    def _watch(self, version: ModelVersion, smoke: Files) -> None:
        manifest = version.manifest
        lane = self.lanes.get(version.number)
        metrics = ModelMetrics(manifest, self.live.alias, self.live.function)
        alarms = []
        if self._shared.topic:
            alarms = ModelAlarms(
                self, "Alarms", manifest=manifest, metrics=metrics, topic=self._shared.topic
            ).alarms
        if self._settings.dashboards:
            ModelDashboard(
                self,
                "Overview",
                manifest=manifest,
                metrics=metrics,
                alarms=alarms,
                log_group=self.live.log_group,
                front_door=self._settings.front_door,
                batch=lane.metrics.graphs() if lane and lane.metrics else {},
            )
        # What waits in an asynchronous endpoint's queue is no answer that a test could look at.
        if self._shared.deployments and not (version.endpoint and version.endpoint.mode == ASYNC):
            test = self._smoke_test(version, smoke)
            canary = Canary(
                self,
                "Canary",
                manifest=manifest,
                application=self._shared.deployments,
                alias=self.live.alias,
                alarms=alarms,
                pre_traffic=test.function,
            )
            self._grant(canary, test)
            # The hook is named in the alias' update policy, which CloudFormation takes for no dependency.
            self.live.alias.node.add_dependency(test, canary)

    def _smoke_test(self, version: ModelVersion, smoke: Files) -> SmokeTest:
        return SmokeTest(
            self,
            "SmokeTest",
            code=self._assets.archive(Construct(self, "SmokeArchive"), {**smoke, GOLDEN: version.golden}),
            model=version.manifest.name,
            target=self.live.version,
            settings=self._settings,
            key=self._shared.key,
        )

    def _grant(self, canary: Canary, test: SmokeTest) -> None:
        """CodeDeploy moves this alias and calls this hook; the hook calls the new version and reports."""
        grant_basics(test, key=self._shared.key)
        self.live.version.grant_invoke(test.role)
        test.role.add_to_policy(
            iam.PolicyStatement(
                actions=["codedeploy:PutLifecycleEventHookExecutionStatus"],
                resources=[canary.group.deployment_group_arn],
            )
        )
        canary.role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[test.function.function_arn])
        )
        canary.role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"],
                # By name: a reference to the alias would make it wait for a policy that waits for it.
                resources=[self.live.function.function_arn, f"{self.live.function.function_arn}:{LIVE}"],
            )
        )
        canary.role.add_to_policy(iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"]))
        acknowledge(
            canary.role,
            {"AwsSolutions-IAM5[Resource::*]": "DescribeAlarms only reads, and takes no resource."},
        )
