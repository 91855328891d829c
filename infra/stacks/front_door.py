"""The stages of the APIs, deployed last: nobody gets in before the models are there."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.domain import name_of
from infra.constructs.door_alarm import DoorAlarm
from infra.constructs.door_metrics import DoorMetrics
from infra.constructs.fleet_dashboard import FleetDashboard
from infra.constructs.http_stage import HttpStage
from infra.constructs.rest_api import RestDoor
from infra.constructs.web_acl import WebAcl
from infra.placement import door_of
from infra.routes import GREEDY, Route, model_routes
from infra.settings import StageSettings, Throttle
from infra.stacks.base import StageStack
from infra.stacks.catalog import CatalogStack
from infra.stacks.model import ModelStack
from infra.stacks.shared import SharedStack

_CATALOG_ROUTES = (Route("ANY", "/"), Route("ANY", f"/{GREEDY}"))


class FrontDoorStack(StageStack):
    """The URLs, their limits and logs, the dashboard of the fleet."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        shared: SharedStack,
        models: Sequence[ModelStack],
        catalog: CatalogStack,
    ) -> None:
        super().__init__(scope, "front-door", settings=settings, description="the URLs")
        self._settings = settings
        self._shared = shared
        metrics = [
            self._http(number, models) if shared.doors else self._rest(number, models, catalog)
            for number in range(settings.front_doors)
        ]
        if shared.topic:
            for number, figures in enumerate(metrics):
                DoorAlarm(self, f"Alarm{number}", metrics=figures, topic=shared.topic)
        if settings.dashboards:
            FleetDashboard(self, "Fleet", doors=metrics)
        for stack in (*models, catalog):
            self.add_stack_dependency(stack)

    def _http(self, number: int, models: Sequence[ModelStack]) -> DoorMetrics:
        door = self._shared.doors[number]
        stage = HttpStage(
            self,
            f"Door{number}",
            api=door.api,
            settings=self._settings,
            route_throttles=self._throttles(self._behind(number, models)),
            domain_name=name_of(self._settings.domain, number, self._settings.front_doors),
            key=self._shared.key,
        )
        self._say_url(number, stage.url)
        return DoorMetrics.of(door.api, stage.access_log, f"door {number}")

    def _rest(self, number: int, models: Sequence[ModelStack], catalog: CatalogStack) -> DoorMetrics:
        behind = self._behind(number, models)
        functions: list[tuple[lambda_.IFunction, Sequence[Route]]] = [
            (catalog.catalog.function, _CATALOG_ROUTES)
        ]
        for stack in behind:
            functions.append((stack.live.alias, model_routes(stack.model.name)))
            functions += [
                (function.alias, model_routes(stack.model.name, version))
                for version, function in stack.pinned.items()
            ]
        door = RestDoor(
            self,
            f"Door{number}",
            functions=functions,
            settings=self._settings,
            route_throttles=self._throttles(behind),
            domain_name=name_of(self._settings.domain, number, self._settings.front_doors),
            key=self._shared.key,
        )
        for index, (function, _) in enumerate(functions):
            lambda_.CfnPermission(
                self,
                f"Door{number}Function{index}",
                action="lambda:InvokeFunction",
                function_name=function.function_arn,
                principal="apigateway.amazonaws.com",
                source_arn=door.invoke_arn,
            )
        if self._settings.waf:
            WebAcl(
                self,
                f"Waf{number}",
                waf=self._settings.waf,
                stage_arn=door.api.deployment_stage.stage_arn,
            )
        self._say_url(number, door.url)
        return DoorMetrics.of(door.api, door.access_log, f"door {number}")

    def _behind(self, number: int, models: Sequence[ModelStack]) -> list[ModelStack]:
        doors = self._settings.front_doors
        return [stack for stack in models if door_of(stack.model.name, doors) == number]

    def _throttles(self, models: Sequence[ModelStack]) -> dict[str, Throttle]:
        limits = self._settings.model_throttles
        return {
            route.key: limits[stack.model.name]
            for stack in models
            if stack.model.name in limits
            for route in stack.model.routes()
        }

    def _say_url(self, number: int, url: str) -> None:
        cdk.CfnOutput(self, f"Url{number}", value=url, description=f"Front door {number}")
