"""The dashboard of all models and front doors."""

from collections.abc import Sequence

from constructs import Construct

from infra.constructs.fleet_dashboard import FleetDashboard
from infra.settings import StageSettings
from infra.stacks.base import StageStack
from infra.stacks.front_door import FrontDoorStack


class OverviewStack(StageStack):
    """What the owner looks at first."""

    def __init__(
        self, scope: Construct, *, settings: StageSettings, front_doors: Sequence[FrontDoorStack]
    ) -> None:
        super().__init__(scope, "overview", settings=settings, description="all models on one page")
        FleetDashboard(self, "Fleet", doors=[stack.metrics for stack in front_doors])
