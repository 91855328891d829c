"""Which handler answers which path: a table in the words of the wire contract."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from modelet_runtime.errors import MethodNotAllowed, NotFound
from modelet_runtime.http.messages import Request, Response

# Clients repeat a few paths; so many answers of the table are remembered.
_REMEMBERED_PATHS = 256


class Target(NamedTuple):
    """What a path names: a model, and perhaps its version or a label of it."""

    model: str | None = None
    version: str | None = None
    label: str | None = None


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table.

    Attributes:
        method: The verb; HEAD is answered wherever GET is.
        path: Segments in braces are named, parts in brackets may be left out.
        handler: Answers requests of this route.
        infers: Whether it is an inference, which can be answered later.
    """

    method: str
    path: str
    handler: Handler
    infers: bool = False


class Router:
    """Finds the route of a request."""

    def __init__(self, *routes: Route) -> None:
        self._table = [(_compile(route.path), route) for route in routes]
        self._match = lru_cache(_REMEMBERED_PATHS)(self._match_path)

    def find(self, method: str, path: str) -> tuple[Route, Target]:
        """The route of a request, and what its path names.

        Raises:
            NotFound: (404) There is no such path.
            MethodNotAllowed: (405) There is, but not for this verb.
        """
        routes, target = self._match(path)
        if not routes:
            raise NotFound(_no_route(method, path))
        route = routes.get("GET" if method == "HEAD" else method)
        if route is None:
            raise MethodNotAllowed(method, [*routes, "HEAD"] if "GET" in routes else routes)
        return route, target

    def _match_path(self, path: str) -> tuple[Mapping[str, Route], Target]:
        routes: dict[str, Route] = {}
        target = Target()
        for pattern, route in self._table:
            match = pattern.fullmatch(path)
            if match:
                routes[route.method] = route
                target = Target(**match.groupdict())
        return routes, target


def _compile(path: str) -> re.Pattern[str]:
    optional = path.replace("[", "(?:").replace("]", ")?")
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/:]+)", optional) + "/*")


def _no_route(method: str, path: str) -> str:
    # TensorFlow Serving's own words for its own paths.
    return f"Malformed request: {method} {path}" if path.startswith("/v1/") else f"no route {method} {path}"
