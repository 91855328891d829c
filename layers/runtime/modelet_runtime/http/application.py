"""The whole of a function's HTTP: its routes, and what is done for all of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from modelet_runtime.errors import DeadlineExceeded, InvalidRequest, NotFound, PayloadTooLarge
from modelet_runtime.http import compression, failures
from modelet_runtime.http.asynchronous import Asynchronous
from modelet_runtime.http.friendly import FriendlyRoutes
from modelet_runtime.http.messages import LARGE_DATA_WAY, Request, Response
from modelet_runtime.http.open_inference import OpenInferenceRoutes
from modelet_runtime.http.routing import Handler, Route, Router, Target
from modelet_runtime.http.sagemaker import SageMakerRoutes
from modelet_runtime.http.tensorflow_serving import TensorFlowServingRoutes
from modelet_runtime.jobs.context import current_job
from modelet_runtime.manifest import Manifest
from modelet_runtime.predictor import Predictor
from modelet_runtime.session import served_by

Observer = Callable[[Request, Response, Exception | None], None]


def _table(predictor: Predictor, *, takes_put: bool = False) -> Router:
    v2 = OpenInferenceRoutes(predictor)
    v1 = TensorFlowServingRoutes(predictor)
    friendly = FriendlyRoutes(predictor)
    sagemaker = SageMakerRoutes(predictor, v2, v1, friendly)
    model = "/v2/models/{model}[/versions/{version}]"
    servable = "/v1/models/{model}[/versions/{version}][/labels/{label}]"
    # Those that take PUT where there are jobs; no client of the other two has it.
    inferences = {
        f"{model}/infer": v2.infer,
        "/models/{model}[/versions/{version}]/predict": friendly.predict,
    }
    verbs = ("POST", "PUT") if takes_put else ("POST",)
    return Router(
        Route("GET", "/v2", v2.server),
        Route("GET", "/v2/health/(?:live|ready)", v2.health),
        Route("GET", "/v2/models", v2.models),
        Route("POST", "/v2/repository/index", v2.index),
        Route("POST", "/v2/repository/models/{model}/load", v2.load),
        Route("POST", "/v2/repository/models/{model}/unload", v2.unload),
        Route("GET", "/v2/(?:system|cuda)sharedmemory/.*", v2.shared_memory),
        Route("POST", "/v2/(?:system|cuda)sharedmemory/.*", v2.shared_memory),
        Route("GET", model, v2.model),
        Route("GET", f"{model}/ready", v2.model_ready),
        Route("GET", f"{model}/stats", v2.statistics),
        Route("GET", f"{model}/config", v2.configuration),
        Route("GET", servable, v1.status),
        Route("GET", f"{servable}/metadata", v1.metadata),
        Route("POST", f"{servable}:(?:classify|regress)", v1.classify_or_regress),
        Route("POST", f"{servable}:predict", v1.predict, infers=True),
        Route("GET", "/ping", sagemaker.ping),
        Route("POST", "/invocations", sagemaker.invoke, infers=True),
        *(Route(verb, path, answer, infers=True) for path, answer in inferences.items() for verb in verbs),
    )


class Application:
    """Answers every request for one model. Safe to call from several threads.

    Args:
        predictor: The model.
        observe: Called after each request with the error that was answered, if one was.
        fits: Whether whoever carries the responses can carry this one.
        asynchronous: Which inferences are answered later; none by default.
    """

    def __init__(
        self,
        predictor: Predictor,
        observe: Observer | None = None,
        fits: Callable[[Response], bool] | None = None,
        asynchronous: Asynchronous | None = None,
    ) -> None:
        self._manifest = predictor.manifest
        self._asynchronous = asynchronous or Asynchronous()
        self._router = _table(predictor, takes_put=self._asynchronous.takes_put)
        self._observe = observe
        self._fits = fits

    def __call__(self, request: Request) -> Response:
        """Answer a request; never raises."""
        failure: Exception | None = None
        served_by.set(None)
        try:
            response = self._answer(request)
        except Exception as error:
            failure = error
            response = failures.to_response(error, request.request_id)
        response = replace(response, headers={**response.headers, **_about(request, self._manifest)})
        if request.method == "HEAD":
            response = replace(response, body=b"")
        if self._observe is not None:
            self._observe(request, response, failure)
        return response

    def _answer(self, request: Request) -> Response:
        route, target = self._router.find(request.method, request.path)
        if target.model is not None:
            _check_target(target, self._manifest, request.alias)
        if request.remaining_s is not None and request.remaining_s <= 0:
            raise DeadlineExceeded("the deadline passed before the request was read")
        at_once = partial(self._answer_at_once, route.handler)
        return self._asynchronous.answer(request, at_once) if route.infers else at_once(request)

    def _answer_at_once(self, handler: Handler, request: Request) -> Response:
        encoding = request.headers.get("content-encoding")
        if encoding:
            request = replace(request, body=compression.inflate(request.body, encoding))
        response = compression.deflate(handler(request), request.headers)
        # The answer of a job goes into a bucket.
        if self._fits is not None and current_job.get() is None and not self._fits(response):
            size = len(response.body)
            raise PayloadTooLarge(f"the answer of {size} bytes is over Lambda's 6 MB: {LARGE_DATA_WAY}")
        return response


def _about(request: Request, manifest: Manifest) -> dict[str, str]:
    """Headers that every answer to a request carries: the version tells a canary's from live's."""
    headers = {"x-model-version": str(manifest.version)}
    if request.request_id:
        headers["x-request-id"] = request.request_id
    server = served_by.get()
    return headers if server is None else headers | {"x-served-by": server}


def _check_target(target: Target, manifest: Manifest, alias: str | None) -> None:
    """Compare what the path names with what this function is.

    Raises:
        InvalidRequest: (400) The path names both a version and a label.
        NotFound: (404) It names another model, version or alias; worded as TensorFlow Serving does.
    """
    model, version, label = target
    if version is not None and label is not None:
        raise InvalidRequest("path", "a version or a label", "both")
    if model != manifest.name or version not in (None, str(manifest.version)):
        wanted = f"Latest({model})" if version is None else f"Specific({model}, {version})"
        raise NotFound(
            f"Servable not found for request: {wanted}; this function serves "
            f"{manifest.name} version {manifest.version}"
        )
    if label not in (None, alias):
        raise NotFound(f"Unrecognized servable version label: {label}")
