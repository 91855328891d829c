"""Lambda's entry point for what belongs to no single model: index, health, OpenAPI, jobs, a page to try."""

from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from catalog import events
from catalog.index import Index
from catalog.jobs import Jobs
from catalog.page import Page

from modelet_runtime.errors import ModeletError, UnsupportedExtension
from modelet_runtime.http import failures
from modelet_runtime.protocols import open_inference_documents as documents
from modelet_runtime.settings import CatalogSettings

_READ = ["GET", "HEAD"]
_settings = CatalogSettings.from_environment()
_index = Index.load(_settings.index)
_page = Page(_index)
_jobs = Jobs(_settings.jobs)
app = APIGatewayHttpResolver()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one event of the HTTP or the REST API."""
    app.context["base_path"] = events.base_path(event)
    return app.resolve(events.without_trailing_slash(events.as_http(event)), context)


@app.route("/", method=_READ)
def show_page() -> Response[str]:
    """The models, each with a form to try it."""
    return Response(200, "text/html; charset=utf-8", _page.html, _page.headers)


@app.route("/favicon.ico", method=_READ)
def show_no_icon() -> Response[str]:
    """The page brings its own."""
    return Response(204)


@app.route("/openapi.json", method=_READ, compress=True)
def show_openapi() -> dict[str, Any]:
    """Every route of every model, for people and for generators of clients."""
    # Imported here: few ask for it, and none of them waits for an inference.
    from catalog import openapi  # noqa: PLC0415

    return openapi.document(
        _index, _settings.authorization, app.context["base_path"], has_jobs=_settings.jobs is not None
    )


@app.route("/v2", method=_READ)
def show_server() -> dict[str, Any]:
    """Server metadata."""
    return documents.server(_index.served_by)


@app.route("/v2/health/live", method=_READ)
@app.route("/v2/health/ready", method=_READ)
def show_health() -> dict[str, Any]:
    """Functions start when they are called, so what answers is ready."""
    return documents.health()


@app.route("/v2/models", method=_READ)
def list_models() -> dict[str, Any]:
    """The names of all models."""
    return {"models": sorted(_index.live)}


@app.post("/v2/repository/index")
def list_versions() -> list[dict[str, Any]]:
    """Every version of every model: all that are here are ready, so filtering for that leaves all."""
    events.read_object(app.current_event)
    return _index.entries()


@app.post("/v2/repository/models/<name>/<verb>")
def refuse_loading(name: str, verb: str) -> None:
    """Triton's `load` and `unload`: a function holds its model for life."""
    if verb not in ("load", "unload"):
        raise _missing()
    raise UnsupportedExtension(
        f"a function holds one model for life: `modelet build {name}` makes a new version of it, and"
        " serving or deploying anew loads and unloads"
    )


@app.route("/jobs/<job>", method=_READ)
def show_job(job: str) -> Response[str]:
    """A job of any model."""
    return _jobs.show(unquote(job))


@app.post("/uploads")
def make_upload() -> Response[str]:
    """A place for a body that is too large for a request."""
    return _jobs.new_upload()


def show_nothing(_error: Exception) -> Response[str]:
    """Whatever no route takes, here or among those of the models' own functions."""
    return show_error(_missing())


def show_error(error: ModeletError) -> Response[str]:
    """Errors become responses where those of all functions do."""
    answer = failures.to_response(error, app.current_event.request_context.request_id)
    return Response(answer.status, None, answer.body.decode(), {**answer.headers})


app.not_found(show_nothing)
app.exception_handler(ModeletError)(show_error)


def _missing() -> ModeletError:
    http = app.current_event.request_context.http
    return _index.missing(http.method, http.path)
