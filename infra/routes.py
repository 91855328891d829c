"""The one table of routes: what of a model's URL space reaches its function.

Paths are API Gateway's: `{proxy+}` takes one segment or more, also an empty one after a trailing slash.
`PUT` is for jobs under a key of the caller's; TensorFlow Serving's own clients know no such thing.
Methods are named one by one: a route for ANY would catch the preflight requests of browsers too, and its
authorizer would refuse them. Whatever matches nothing here is the catalog's, which also answers 404.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

GREEDY = "{proxy+}"


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path."""

    method: str
    path: str

    @property
    def key(self) -> str:
        """The route key of an HTTP API."""
        return f"{self.method} {self.path}"


def model_routes(name: str, version: int | None = None) -> tuple[Route, ...]:
    """The routes of a model, or those of one pinned version of it, which API Gateway prefers as longer."""
    part = name if version is None else f"{name}/versions/{version}"
    open_inference, tensorflow, friendly = f"/v2/models/{part}", f"/v1/models/{part}", f"/models/{part}"
    return (
        Route("GET", open_inference),
        Route("GET", f"{open_inference}/{GREEDY}"),
        Route("POST", f"{open_inference}/{GREEDY}"),
        Route("PUT", f"{open_inference}/{GREEDY}"),
        Route("GET", tensorflow),
        Route("POST", f"{tensorflow}:predict"),
        Route("GET", f"{tensorflow}/{GREEDY}"),
        Route("POST", f"{tensorflow}/{GREEDY}"),
        Route("POST", f"{friendly}/{GREEDY}"),
        Route("PUT", f"{friendly}/{GREEDY}"),
    )


def label_routes(name: str, label: str) -> tuple[Route, ...]:
    """TensorFlow Serving's routes to a version by its label; those to `live` are the model's own."""
    part = f"/v1/models/{name}/labels/{label}"
    return (Route("GET", part), Route("POST", f"{part}:predict"), Route("GET", f"{part}/{GREEDY}"))


# The catalog's, which `$default` would take too: by these an authorizer knows them, without the rights that
# all other things of all models need.
JOB_ROUTES = (Route("GET", "/jobs/{job}"), Route("POST", "/uploads"))

ROUTES_PER_FUNCTION = len(model_routes("model"))
# `$default`, and `OPTIONS /{proxy+}` where web pages may call.
ROUTES_PER_API = 2 + len(JOB_ROUTES)


def resource_count(routes: Iterable[Route]) -> int:
    """How many resources a REST API needs for these routes: one per path and per part of a path."""
    paths = [PurePosixPath(route.path) for route in routes]
    return len({path for full in paths for path in (full, *full.parents)})
