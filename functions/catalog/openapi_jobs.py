"""What the OpenAPI document says of jobs and uploads: their paths, and what inferences may ask."""

from typing import Any

from modelet_runtime.jobs.record import ENDED

Json = dict[str, Any]

_ID: Json = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_TIME: Json = {"type": "string", "format": "date-time"}
_RESULT: Json = {
    "type": "object",
    "description": "The answer: its body where that is small JSON, else a URL to read it from.",
    "required": ["status", "headers"],
    "properties": {
        "status": {"type": "integer"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": {},
        "bytes": {"type": "integer"},
        "url": {"type": "string", "format": "uri"},
        "url_expires_at": _TIME,
    },
}
_JOB: Json = {
    "type": "object",
    "required": ["job"],
    "properties": {
        "job": {
            "type": "object",
            "required": ["id", "state", "model", "version", "attempts", "created_at", "expires_at"],
            "properties": {
                "id": _ID,
                "state": {"enum": ["queued", "running", "waiting", *ENDED]},
                "model": {"type": "string"},
                "version": {"type": "string"},
                "attempts": {"type": "integer"},
                "created_at": _TIME,
                "updated_at": _TIME,
                "expires_at": _TIME,
                "error": {"type": "string"},
                "result": _RESULT,
            },
        }
    },
}
_UPLOAD: Json = {
    "type": "object",
    "required": ["upload", "url", "fields", "max_bytes", "expires_at"],
    "properties": {
        "upload": _ID,
        "url": {"type": "string", "format": "uri"},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
        "max_bytes": {"type": "integer"},
        "expires_at": _TIME,
    },
}

# References into `components()`: 300 models have thousands of inferences, and an answer has 6 MB.
PARAMETERS = [{"$ref": f"#/components/parameters/{name}"} for name in ("Prefer", "IdempotencyKey", "Upload")]
RESPONSES: Json = {"202": {"$ref": "#/components/responses/Later"}}


def components() -> dict[str, Json]:
    """Schemas, parameters and responses that the paths refer to."""
    return {
        "schemas": {"Job": _JOB, "Upload": _UPLOAD},
        "parameters": {
            "Prefer": {
                "name": "prefer",
                "in": "header",
                "description": "`respond-async` makes the request a job.",
                "schema": {"type": "string"},
            },
            "IdempotencyKey": {
                "name": "idempotency-key",
                "in": "header",
                "description": "Makes the same request the same job; with PUT every request is a job.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            },
            "Upload": {
                "name": "upload",
                "in": "query",
                "description": "The id of an upload, which is the body then.",
                "schema": _ID,
            },
        },
        "responses": {
            "Later": {
                "description": "A job; its result is at the location once it has ended",
                "headers": {
                    "location": {"schema": {"type": "string"}},
                    "retry-after": {"schema": {"type": "integer"}},
                },
                "content": _json("Job"),
            }
        },
    }


def paths() -> Json:
    """What belongs to no single model."""
    failure: Json = {"default": {"$ref": "#/components/responses/Failure"}}
    return {
        "/jobs/{job}": {
            "parameters": [{"name": "job", "in": "path", "required": True, "schema": _ID}],
            "get": {
                "summary": "A job, and its result once it has ended",
                "responses": {"200": {"description": "The job", "content": _json("Job")}, **failure},
            },
        },
        "/uploads": {
            "post": {
                "summary": "A place for a body that is too large for a request",
                "responses": {"201": {"description": "A form", "content": _json("Upload")}, **failure},
            }
        },
    }


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
