"""All stacks of a stage, and which is deployed after which.

shared; jobs, batch where a model takes files, an endpoint for each group; then one per model and the
catalog; then the front door
"""

from collections.abc import Iterable
from pathlib import Path

import aws_cdk as cdk

from infra import archives, fleet
from infra.assets import Assets
from infra.batching import check_batch, lanes
from infra.endpoints import check_endpoints, costs, shared_endpoints
from infra.placement import check_capacity, placed
from infra.settings import StageSettings
from infra.sources import Sources
from infra.stacks.batch import BatchStack
from infra.stacks.catalog import CatalogStack
from infra.stacks.endpoint import EndpointStack
from infra.stacks.front_door import FrontDoorStack
from infra.stacks.jobs import JobStack
from infra.stacks.model import ModelStack
from infra.stacks.overview import OverviewStack
from infra.stacks.shared import SharedStack


class Service:
    """One stage of everything.

    Args:
        app: The app to add the stacks to.
        settings: The stage.
        sources: What is deployed.

    Attributes:
        shared: What all models share.
        batch: What batch functions share, where a model has one.
        jobs: What requests need that are answered later.
        endpoints: Those that models share, by group.
        models: A stack per model, by name.
        catalog: Index and health.
        front_doors: The URLs.
        overview: The dashboard of them all, where the stage has dashboards.
        costs: What each endpoint costs without a request, in words.

    Raises:
        InfraError: The models, or their number, do not fit the settings or AWS's limits.
    """

    def __init__(self, app: cdk.App, *, settings: StageSettings, sources: Sources) -> None:
        models = fleet.read(sources.models, sources.contexts, sources.only_built)
        check_capacity(models, settings)
        check_batch(models, settings)
        check_endpoints(models, settings)
        self.costs = costs(models, settings.name)
        doors = placed(models, settings.front_doors)
        assets = Assets(Path(app.outdir))
        self.shared = SharedStack(
            app,
            settings=settings,
            assets=assets,
            authorizer=archives.function(sources, "authorizer"),
        )
        self.batch: BatchStack | None = None
        if any(lanes(model) for model in models):
            self.batch = BatchStack(app, settings=settings, shared=self.shared)
        self.jobs = JobStack(app, settings=settings, shared=self.shared)
        self.endpoints = {
            endpoint.group: EndpointStack(
                app, endpoint=endpoint, settings=settings, assets=assets, shared=self.shared
            )
            for endpoint in shared_endpoints(models)
        }
        smoke = archives.function(sources, "smoke")
        self.models = {
            model.name: ModelStack(
                app,
                model=model,
                settings=settings,
                assets=assets,
                smoke=smoke,
                shared=self.shared,
                jobs=self.jobs,
                endpoints=self.endpoints,
                batch=self.batch,
                distributed_map=sources.distributed_map,
                # A REST API has all routes itself.
                door=self.shared.doors[number] if self.shared.doors else None,
                door_number=number,
            )
            for number, behind in enumerate(doors)
            for model in behind
        }
        architecture = _architecture(models)
        self.catalog = CatalogStack(
            app,
            settings=settings,
            assets=assets,
            archive=archives.catalog(sources, architecture, models),
            architecture=architecture,
            shared=self.shared,
            jobs=self.jobs,
        )
        self.front_doors = [
            FrontDoorStack(
                app,
                number=number,
                settings=settings,
                shared=self.shared,
                models=[self.models[model.name] for model in behind],
                catalog=self.catalog,
            )
            for number, behind in enumerate(doors)
        ]
        self.overview: OverviewStack | None = None
        if settings.dashboards:
            self.overview = OverviewStack(app, settings=settings, front_doors=self.front_doors)

    @property
    def stacks(self) -> list[cdk.Stack]:
        """All of them, in the order in which they are deployed."""
        last = [self.overview] if self.overview else []
        first = [self.shared, self.batch] if self.batch else [self.shared]
        before = [*first, self.jobs, *self.endpoints.values()]
        return [*before, *self.models.values(), self.catalog, *self.front_doors, *last]


def _architecture(models: Iterable[fleet.FleetModel]) -> str:
    """One that a model has too, so that its layer is there: arm64 by choice, as it costs less."""
    return min((model.live.manifest.resources.architecture for model in models), default="arm64")
