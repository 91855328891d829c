"""Bytes inside JSON: `{"b64": "..."}` stands wherever a string may, as in TensorFlow Serving."""

from binascii import Error
from typing import Any, TypeGuard

import pybase64

from modelet_runtime.errors import InvalidRequest

KEY = "b64"


def is_b64(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is the form that stands for bytes."""
    return type(value) is dict and len(value) == 1 and KEY in value


def from_b64(value: dict[str, Any]) -> bytes:
    """The bytes that `{"b64": "..."}` stands for.

    Raises:
        InvalidRequest: (400) The text is not base64.
    """
    text = value[KEY]
    if not isinstance(text, str):
        raise InvalidRequest(KEY, "a string in base64", type(text).__name__)
    try:
        return pybase64.b64decode(text, validate=True)
    except (Error, ValueError) as error:
        raise InvalidRequest(KEY, "base64", str(error)) from error


def to_b64(data: bytes) -> dict[str, str]:
    """The JSON form of bytes that are not text."""
    return {KEY: pybase64.b64encode(data).decode()}
