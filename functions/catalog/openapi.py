"""The OpenAPI document of everything that can be called, from the manifests alone.

Source: https://spec.openapis.org/oas/v3.1.0
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from catalog import openapi_jobs, schemas
from catalog.index import Index

from modelet_runtime import __version__
from modelet_runtime.errors import ArtifactError
from modelet_runtime.http.open_inference import LENGTH_HEADER
from modelet_runtime.manifest import Manifest
from modelet_runtime.steps import pipeline
from modelet_runtime.steps.base import Model
from modelet_runtime.steps.registry import input_step

Json = dict[str, Any]

JSON, OCTETS = "application/json", "application/octet-stream"
# How callers are known, by the word in `MODELET_AUTHORIZATION`.
_SCHEMES: Mapping[str, Json] = {
    "iam": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "description": "AWS Signature Version 4, service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "api-key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
}
_ANY: Json = {}
_FREE: Json = {"type": "object"}
_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "code": {"type": "string"},
        "details": _FREE,
        "request_id": {"type": "string"},
    },
}
# One for all operations: 300 models have 6,000 of them, and an answer has 6 MB.
_FAILURE: Json = {
    "description": "400 not what the model takes; 401, 403 not allowed; 404 not there; 405 another method;"
    " 413 too large; 415 another media type; 429 too many, see Retry-After; 500 our fault;"
    " 501 not supported; 503 not ready, see Retry-After; 504 too late",
    "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_LABEL = {
    "name": "label",
    "in": "path",
    "required": True,
    "description": "An alias of the model, such as `live`.",
    "schema": {"type": "string"},
}
_LENGTH = {
    "name": LENGTH_HEADER,
    "in": "header",
    "description": "With a binary body: how many bytes of it are JSON.",
    "schema": {"type": "integer", "minimum": 0},
}


def document(
    index: Index, authorization: Sequence[str] = (), base_path: str = "/", *, has_jobs: bool = False
) -> Json:
    """Describe every route of the wire contract.

    Args:
        index: What there is.
        authorization: How callers are known: words of `MODELET_AUTHORIZATION`.
        base_path: What stands before every path, such as a REST API's stage.
        has_jobs: Whether there are jobs and uploads.
    """
    paths: Json = _of_all() | (openapi_jobs.paths() if has_jobs else {})
    shared = openapi_jobs.components() if has_jobs else {}
    components: dict[str, Json] = {"Error": _ERROR}
    for manifest in index.versions:
        components |= {
            f"{manifest.name}.{manifest.version}.{short}": schema
            for short, schema in schemas.of_version(manifest).items()
        }
        if manifest == index.live[manifest.name]:
            paths |= _of_version(manifest, "", has_jobs=has_jobs)
        paths |= _of_version(manifest, f"/versions/{manifest.version}", has_jobs=has_jobs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "modelet", "version": __version__, "summary": "One model, one function."},
        "servers": [{"url": base_path}],
        "tags": [{"name": m.name, "description": m.description} for m in index.live.values()],
        "security": [{word: [] for word in authorization}],
        "paths": paths,
        "components": {
            "schemas": components | shared.get("schemas", {}),
            "parameters": shared.get("parameters", {}),
            "responses": {"Failure": _FAILURE, **shared.get("responses", {})},
            "securitySchemes": {word: _SCHEMES[word] for word in authorization},
        },
    }


def _of_all() -> Json:
    """What belongs to no single model."""
    return {
        "/v2": {"get": _read("Server metadata and extensions")},
        "/v2/health/live": {"get": _read("Liveness")},
        "/v2/health/ready": {"get": _read("Readiness")},
        "/v2/models": {"get": _read("The names of all models")},
        "/v2/repository/index": {
            "post": _post("Every version of every model", {JSON: _FREE}, {JSON: {"type": "array"}})
        },
    }


def _of_version(manifest: Manifest, version: str, *, has_jobs: bool) -> Json:
    """The paths of a model with this version in them; without it, also those with an alias."""
    name = manifest.name
    v2, v1, friendly = (f"{prefix}/{name}{version}" for prefix in ("/v2/models", "/v1/models", "/models"))
    found: Json = {
        v2: {"get": _read("Metadata")},
        f"{v2}/ready": {"get": _read("Readiness")},
        f"{v2}/stats": {"get": _read("Statistics")},
        f"{v2}/config": {"get": _read("Configuration")},
        f"{v2}/infer": {"post": _infer(manifest)},
        **_tensorflow(v1, manifest),
        f"{friendly}/predict": {"post": _friendly(manifest)},
    }
    if not version:
        labelled = _tensorflow(f"{v1}/labels/{{label}}", manifest)
        found |= {path: {"parameters": [_LABEL], **item} for path, item in labelled.items()}
    if has_jobs:
        found = {path: _with_jobs(path, item) for path, item in found.items()}
    return {path: _tagged(item, name) for path, item in found.items()}


def _with_jobs(path: str, item: Json) -> Json:
    """What an inference may ask besides its answer."""
    if not path.endswith(("/infer", "predict")):
        return item
    post = item["post"]
    parameters = [*post.get("parameters", ()), *openapi_jobs.PARAMETERS]
    responses = {**post["responses"], **openapi_jobs.RESPONSES}
    return {**item, "post": {**post, "parameters": parameters, "responses": responses}}


def _tensorflow(servable: str, manifest: Manifest) -> Json:
    sent, answered = _references(manifest, "predict", "predicted")
    return {
        servable: {"get": _read("Status, as TensorFlow Serving has it")},
        f"{servable}/metadata": {"get": _read("Signature, as TensorFlow Serving has it")},
        f"{servable}:predict": {
            "post": _post("Predict, in row or column form", {JSON: sent}, {JSON: answered})
        },
    }


def _infer(manifest: Manifest) -> Json:
    sent, answered = _references(manifest, "infer", "inferred")
    operation = _post(
        "Infer, as the Open Inference Protocol has it",
        {JSON: sent, OCTETS: _ANY},
        {JSON: answered, OCTETS: _ANY},
    )
    return {**operation, "parameters": [_LENGTH]}


def _friendly(manifest: Manifest) -> Json:
    answers = {JSON: _ANY, "text/csv": _ANY, "application/x-npy": _ANY}
    bodies = dict.fromkeys(media_types(manifest), _ANY)
    return _post("Predict from a body as people have it", bodies, answers)


def media_types(manifest: Manifest) -> tuple[str, ...]:
    """What the model's first step takes; of a model's own hooks, which lie in its image, anything."""
    if not manifest.input_steps:
        return pipeline.build(replace(manifest, output_steps=()), Path()).media_types
    try:
        return input_step(manifest.input_steps[0]).media_types(Model(manifest, Path()))
    except ArtifactError:
        return ("*/*",)


def _references(manifest: Manifest, *short: str) -> Iterable[Json]:
    start = f"#/components/schemas/{manifest.name}.{manifest.version}"
    return [{"$ref": f"{start}.{each}"} for each in short]


def _read(summary: str) -> Json:
    return {"summary": summary, "responses": _responses({JSON: _FREE})}


def _post(summary: str, bodies: Json, answers: Json) -> Json:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": _content(bodies)},
        "responses": _responses(answers),
    }


def _responses(answers: Json) -> Json:
    return {
        "200": {"description": "The answer", "content": _content(answers)},
        "default": {"$ref": "#/components/responses/Failure"},
    }


def _content(by_media_type: Json) -> Json:
    return {media_type: {"schema": schema} for media_type, schema in by_media_type.items()}


def _tagged(item: Json, name: str) -> Json:
    return {
        verb: {**value, "tags": [name]} if isinstance(value, dict) else value for verb, value in item.items()
    }
