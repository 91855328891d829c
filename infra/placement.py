"""Which front door has which model, and whether a front door can hold what it gets."""

import hashlib
from collections.abc import Iterable

from infra.errors import SettingsRefused
from infra.fleet import FleetModel
from infra.routes import GREEDY, ROUTES_PER_API, Route, resource_count
from infra.settings import FUNCTIONS_PER_REST_API, INTEGRATIONS_PER_API, StageSettings

# One integration is the catalog's.
_MOST_FUNCTIONS = {"http": INTEGRATIONS_PER_API - 1, "rest": FUNCTIONS_PER_REST_API}


def door_of(name: str, doors: int) -> int:
    """The front door of a model: that of the greatest hash (rendezvous hashing).

    It depends on the model's name and the number of doors alone, so a new model moves no other. One
    more door takes its share of models, and the rest stay where they are.
    """
    return max(range(doors), key=lambda door: hashlib.sha256(f"{door}/{name}".encode()).digest())


def placed(models: Iterable[FleetModel], doors: int) -> list[list[FleetModel]]:
    """The models behind each front door."""
    behind: list[list[FleetModel]] = [[] for _ in range(doors)]
    for model in models:
        behind[door_of(model.name, doors)].append(model)
    return behind


def check_capacity(models: Iterable[FleetModel], settings: StageSettings) -> None:
    """Refuse a fleet that API Gateway would refuse half-way through a deployment.

    Raises:
        SettingsRefused: A front door has more routes or integrations than the account's quota.
    """
    for door, here in enumerate(placed(models, settings.front_doors)):
        routes = [route for model in here for route in model.routes()]
        functions = sum(len(model.versions) for model in here)
        needed, what = _needed(routes, settings)
        if needed > settings.routes_per_api:
            raise SettingsRefused(
                f"{settings.name}: front door {door} needs {needed} {what} for {functions} functions, and the"
                f" quota is {settings.routes_per_api}: raise front_doors in infra/config.py, or the account's"
                " quota and routes_per_api with it"
            )
        if functions > _MOST_FUNCTIONS[settings.front_door]:
            raise SettingsRefused(
                f"{settings.name}: front door {door} has {functions} functions, and no {settings.front_door}"
                f" API takes more than {_MOST_FUNCTIONS[settings.front_door]}: raise front_doors in"
                " infra/config.py"
            )


def _needed(routes: list[Route], settings: StageSettings) -> tuple[int, str]:
    if settings.front_door == "rest":
        return resource_count([*routes, Route("ANY", f"/{GREEDY}")]), "resources"
    return len(routes) + ROUTES_PER_API, "routes"
