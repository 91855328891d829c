"""Which front door has which model, and whether a front door can hold what it gets."""

import hashlib
from collections.abc import Iterable

from infra.errors import SettingsRefused
from infra.fleet import FleetModel
from infra.routes import GREEDY, ROUTES_PER_API, Route, resource_count
from infra.settings import INTEGRATIONS_PER_API, StageSettings


def door_of(name: str, doors: int) -> int:
    """The front door of a model: that of the greatest hash (rendezvous hashing).

    It depends on the model's name and the number of doors alone, so a new model moves no other. One
    more door takes its share of models, and the rest stay where they are.
    """
    return max(range(doors), key=lambda door: hashlib.sha256(f"{door}/{name}".encode()).digest())


def check_capacity(models: Iterable[FleetModel], settings: StageSettings) -> None:
    """Refuse a fleet that API Gateway would refuse half-way through a deployment.

    Raises:
        SettingsRefused: A front door has more routes or integrations than the account's quota.
    """
    for door in range(settings.front_doors):
        here = [model for model in models if door_of(model.name, settings.front_doors) == door]
        routes = [route for model in here for route in model.routes()]
        functions = sum(1 + len(model.pinned) for model in here)
        needed, what = _needed(routes, settings)
        if needed > settings.routes_per_api:
            raise SettingsRefused(
                f"{settings.name}: front door {door} needs {needed} {what} for {functions} functions, and the"
                f" quota is {settings.routes_per_api}: raise front_doors in infra/config.py, or the account's"
                " quota and routes_per_api with it"
            )
        if settings.front_door == "http" and functions + 1 > INTEGRATIONS_PER_API:
            raise SettingsRefused(
                f"{settings.name}: front door {door} needs {functions + 1} integrations, and an HTTP API has"
                f" {INTEGRATIONS_PER_API}, which AWS does not raise: raise front_doors in infra/config.py"
            )


def _needed(routes: list[Route], settings: StageSettings) -> tuple[int, str]:
    if settings.front_door == "rest":
        return resource_count([*routes, Route("ANY", f"/{GREEDY}")]), "resources"
    return len(routes) + ROUTES_PER_API, "routes"
