"""The catalog, which knows all models by their manifests and needs none of their stacks."""

from constructs import Construct

from infra.assets import Assets, Files
from infra.constructs.catalog_function import CatalogFunction
from infra.constructs.catalog_routes import CatalogRoutes
from infra.constructs.model_function import ARCHITECTURES
from infra.settings import StageSettings
from infra.stacks.base import StageStack, grant_basics
from infra.stacks.shared import SharedStack


class CatalogStack(StageStack):
    """The function and its routes on every front door.

    Attributes:
        catalog: The function.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        assets: Assets,
        archive: Files,
        architecture: str,
        shared: SharedStack,
    ) -> None:
        super().__init__(scope, "catalog", settings=settings, description="index, health and OpenAPI")
        self.catalog = CatalogFunction(
            self,
            "Catalog",
            code=assets.archive(self, archive),
            architecture=ARCHITECTURES[architecture],
            settings=settings,
            key=shared.key,
        )
        grant_basics(self.catalog, key=shared.key)
        for number, door in enumerate(shared.doors):
            CatalogRoutes(
                self,
                f"Door{number}",
                door=door,
                function=self.catalog.function,
                allow_preflight=settings.cors is not None,
            )
