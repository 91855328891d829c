"""Which function a path belongs to: what the routes of the HTTP API decide in the cloud."""

import random
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from modelet.local.errors import AliasUnavailable, RouteNotFound
from modelet_runtime.aliases import CANARY, LIVE

CATALOG = "catalog"
# As SageMaker's multi-model endpoints call it.
# Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
TARGET_MODEL_HEADER = "x-amzn-sagemaker-target-model"

_SAGEMAKER = frozenset({"/ping", "/invocations"})
# PUT is an inference under an idempotency key; TensorFlow Serving's clients know no such thing.
_INFERENCES = ("POST", "PUT")
# The methods that have a route to a model's function. A name ends at a slash or, in TensorFlow Serving's
# paths, at the colon before the verb.
_REST = r"(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]+))?(?:/labels/(?P<label>[^/:]+))?(?=[/:]|$)"
_ROUTES = {
    "GET": re.compile(rf"/v[12]/models/{_REST}"),
    "POST": re.compile(rf"(?:/v[12])?/models/{_REST}"),
    "PUT": re.compile(rf"(?:/v2)?/models/{_REST}"),
}


@dataclass(frozen=True, slots=True)
class Serving:
    """What of a model can answer.

    Attributes:
        versions: Those that have a function.
        live: The one that answers whoever names none; None while it cannot.
        canary: The one on trial, if there is one that can answer.
        weight: The canary's share of the inferences that name no version.
        troubles: Why an alias cannot answer, by alias.
    """

    versions: Collection[int]
    live: int | None
    canary: int | None = None
    weight: float = 0.0
    troubles: Mapping[str, str] = field(default_factory=dict)


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

    @property
    def alias(self) -> str:
        """The alias it is called by; empty where it is called by version."""
        return "" if self.qualifier.isdecimal() else self.qualifier


class Router:
    """Knows the models, their versions and aliases.

    Args:
        models: What of each model can answer. It is looked up for every request, so that a mapping can
            follow what is promoted meanwhile.
        draw: Gives a number from 0 up to 1 for each inference that live and canary share.
    """

    def __init__(self, models: Mapping[str, Serving], draw: Callable[[], float] = random.random) -> None:
        self._models = models
        self._draw = draw

    def route(self, method: str, path: str, headers: Mapping[str, str]) -> Target:
        """Choose the function for a path.

        What belongs to no model, to one that is not there, or has no route for its method goes to the
        catalog, which says so in the form of the protocol. A version or label that is not there goes to
        the live one, for the same reason. Of the requests that name neither, a canary gets its share of
        the inferences; metadata stay live's, or they would flicker.

        Args:
            method: In capitals.
            path: Percent-decoded.
            headers: Looked up by lower-case name.

        Raises:
            RouteNotFound: (404) SageMaker's paths, when it is not clear which model is meant.
            AliasUnavailable: (503) The alias is at a version that cannot answer.
        """
        if path.rstrip("/") in _SAGEMAKER:
            model = self._sagemaker_model(headers.get(TARGET_MODEL_HEADER))
            return self._shared(method, model, self._models[model])
        match = _ROUTES[method].match(path) if method in _ROUTES else None
        serving = self._models.get(match["model"]) if match else None
        if match is None or serving is None:
            return Target(CATALOG, 0, LIVE)
        model, label = match["model"], match["label"]
        if match["version"]:
            number = int(match["version"])
            known = number in serving.versions
            return Target(model, number, str(number)) if known else self._any(model, serving)
        if label == CANARY and (serving.canary or CANARY in serving.troubles):
            return self._at(CANARY, serving.canary, model, serving)
        if label not in (None, LIVE):
            return self._any(model, serving)
        return self._shared(method, model, serving) if label is None else self._live(model, serving)

    def _shared(self, method: str, model: str, serving: Serving) -> Target:
        """Live, or for its share of the inferences the canary."""
        if serving.canary and method in _INFERENCES and self._draw() < serving.weight:
            return Target(model, serving.canary, CANARY)
        return self._live(model, serving)

    def _live(self, model: str, serving: Serving) -> Target:
        return self._at(LIVE, serving.live, model, serving)

    def _at(self, alias: str, number: int | None, model: str, serving: Serving) -> Target:
        if number is None:
            raise AliasUnavailable(serving.troubles[alias])
        return Target(model, number, alias)

    def _any(self, model: str, serving: Serving) -> Target:
        """A function that answers what is wrong with a path."""
        if serving.live:
            return Target(model, serving.live, LIVE)
        number = max(serving.versions)
        return Target(model, number, str(number))

    def _sagemaker_model(self, named: str | None) -> str:
        if named is not None and named in self._models:
            return named
        if named is None and len(self._models) == 1:
            return next(iter(self._models))
        names = ", ".join(sorted(self._models)) or "none"
        raise RouteNotFound(
            f"a SageMaker endpoint serves one model and this service has {names}:"
            f" name one in the header X-Amzn-SageMaker-Target-Model, got {named or 'no such header'}"
        )
