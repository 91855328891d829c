"""The stages of the APIs, deployed last: nobody gets in before the models are there."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.domain import name_of
from infra.constructs.door_alarm import DoorAlarm
from infra.constructs.door_metrics import DoorMetrics
from infra.constructs.http_stage import HttpStage
from infra.constructs.rest_api import RestDoor
from infra.constructs.web_acl import WebAcl
from infra.routes import GREEDY, Route
from infra.settings import StageSettings, Throttle
from infra.stacks.base import StageStack
from infra.stacks.catalog import CatalogStack
from infra.stacks.model import ModelStack
from infra.stacks.shared import SharedStack

_CATALOG_ROUTES = (Route("ANY", "/"), Route("ANY", f"/{GREEDY}"))


class FrontDoorStack(StageStack):
    """One URL, with its limits, log and alarm.

    Attributes:
        metrics: What came through.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        number: int,
        settings: StageSettings,
        shared: SharedStack,
        models: Sequence[ModelStack],
        catalog: CatalogStack,
    ) -> None:
        super().__init__(scope, f"front-door-{number}", settings=settings, description=f"URL {number}")
        self._number = number
        self._settings = settings
        self._shared = shared
        self._throttles = _throttles(models, settings.model_throttles)
        self._domain_name = name_of(settings.domain, number, settings.front_doors)
        self.metrics = self._http() if shared.doors else self._rest(models, catalog)
        if shared.topic:
            DoorAlarm(self, "Alarm", metrics=self.metrics, topic=shared.topic)
        for stack in (*models, catalog):
            self.add_stack_dependency(stack)

    def _http(self) -> DoorMetrics:
        api = self._shared.doors[self._number].api
        stage = HttpStage(
            self,
            "Door",
            api=api,
            settings=self._settings,
            route_throttles=self._throttles,
            domain_name=self._domain_name,
            key=self._shared.key,
        )
        self._say(stage.url)
        return DoorMetrics.of(api, stage.access_log, f"door {self._number}")

    def _rest(self, models: Sequence[ModelStack], catalog: CatalogStack) -> DoorMetrics:
        functions = [(catalog.catalog.function, _CATALOG_ROUTES), *_functions(models)]
        door = RestDoor(
            self,
            "Door",
            functions=functions,
            settings=self._settings,
            route_throttles=self._throttles,
            domain_name=self._domain_name,
            key=self._shared.key,
        )
        for number, (function, _) in enumerate(functions):
            lambda_.CfnPermission(
                self,
                f"Function{number}",
                action="lambda:InvokeFunction",
                function_name=function.function_arn,
                principal="apigateway.amazonaws.com",
                source_arn=door.invoke_arn,
            )
        if self._settings.waf:
            WebAcl(self, "Waf", waf=self._settings.waf, stage_arn=door.api.deployment_stage.stage_arn)
        self._say(door.url)
        return DoorMetrics.of(door.api, door.access_log, f"door {self._number}")

    def _say(self, url: str) -> None:
        cdk.CfnOutput(self, "Url", value=url, description=f"Front door {self._number}")


def _functions(models: Sequence[ModelStack]) -> list[tuple[lambda_.IFunction, Sequence[Route]]]:
    """The aliases of the models with their routes: live, canary and pinned."""
    return [
        (stack.functions[version.number].alias, version.routes())
        for stack in models
        for version in (stack.model.live, *stack.model.beside)
    ]


def _throttles(models: Sequence[ModelStack], limits: Mapping[str, Throttle]) -> dict[str, Throttle]:
    """The limits of single models, by route key."""
    return {
        route.key: limits[stack.model.name]
        for stack in models
        if stack.model.name in limits
        for route in stack.model.routes()
    }
