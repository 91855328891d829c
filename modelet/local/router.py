"""Which function a path belongs to: what the routes of the HTTP API decide in the cloud."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelet.local.errors import RouteNotFound

CATALOG = "catalog"
# As SageMaker's multi-model endpoints call it.
# Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
TARGET_MODEL_HEADER = "x-amzn-sagemaker-target-model"

_SAGEMAKER = frozenset({"/ping", "/invocations"})
# The methods that have a route to a model's function. A name ends at a slash or, in TensorFlow Serving's
# paths, at the colon before the verb.
_ROUTES = {
    "GET": re.compile(r"/v[12]/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]+))?(?=[/:]|$)"),
    "POST": re.compile(r"(?:/v[12])?/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]+))?(?=[/:]|$)"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """The function to invoke.

    Attributes:
        model: Its model, or `CATALOG`.
        version: Which of the model's versions; 0 for the catalog.
        qualifier: The alias or version it is called by.
    """

    model: str
    version: int
    qualifier: str


class Router:
    """Knows the models and their versions.

    Args:
        versions: The version numbers of each model that has a function; the highest is live.
    """

    def __init__(self, versions: Mapping[str, Sequence[int]]) -> None:
        self._versions = versions

    def route(self, method: str, path: str, headers: Mapping[str, str]) -> Target:
        """Choose the function for a path.

        What belongs to no model, to one that is not there, or has no route for its method goes to the
        catalog, which says so in the form of the protocol. A version that is not there goes to the live
        one, for the same reason.

        Args:
            method: In capitals.
            path: Percent-decoded.
            headers: Looked up by lower-case name.

        Raises:
            RouteNotFound: (404) SageMaker's paths, when it is not clear which model is meant.
        """
        if path.rstrip("/") in _SAGEMAKER:
            return self._live(self._sagemaker_model(headers.get(TARGET_MODEL_HEADER)))
        match = _ROUTES[method].match(path) if method in _ROUTES else None
        if match is None or match["model"] not in self._versions:
            return Target(CATALOG, 0, "live")
        version = int(match["version"] or 0)
        if version in self._versions[match["model"]]:
            return Target(match["model"], version, str(version))
        return self._live(match["model"])

    def _live(self, model: str) -> Target:
        return Target(model, max(self._versions[model]), "live")

    def _sagemaker_model(self, named: str | None) -> str:
        if named is not None and named in self._versions:
            return named
        if named is None and len(self._versions) == 1:
            return next(iter(self._versions))
        names = ", ".join(sorted(self._versions)) or "none"
        raise RouteNotFound(
            f"a SageMaker endpoint serves one model and this service has {names}:"
            f" name one in the header X-Amzn-SageMaker-Target-Model, got {named or 'no such header'}"
        )
