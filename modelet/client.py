"""Asks a model on the friendly route: a service over HTTP, or the artifact in this process."""

import json
import mimetypes
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from modelet.errors import ServiceRefused, SourceRefused, UnknownModel
from modelet.repository import Repository
from modelet_runtime.http.messages import Request

BYTES = "application/octet-stream"
_TIMEOUT_S = 60  # API Gateway's 30 s and a cold start of a large model
_UNSUPPORTED = 415
_OK = 200


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent.

    Attributes:
        data: The bytes.
        media_type: Of the bytes.
        is_certain: Whether the media type was named; if it was guessed, another may be tried.
    """

    data: bytes
    media_type: str
    is_certain: bool

    @classmethod
    def read(cls, file: Path | None, media_type: str | None) -> "Body":
        """Read a file, or standard input if there is none.

        Raises:
            SourceRefused: The file cannot be read.
        """
        try:
            data = file.read_bytes() if file else sys.stdin.buffer.read()
        except OSError as error:
            raise SourceRefused(f"{file}: {error.strerror}") from error
        guessed = mimetypes.guess_type(file.name)[0] if file else None
        return cls(data, media_type or guessed or BYTES, media_type is not None)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answered.

    Attributes:
        status: Of the answer.
        headers: Of the answer, by lower-case name.
        body: All of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """Sends requests to a service.

    Args:
        url: Where it is, such as `http://127.0.0.1:8080`.

    Raises:
        ServiceRefused: That is no address.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ServiceRefused(f"'{url}' is no http or https address")
        self._url = url.rstrip("/")

    def send(
        self, method: str, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send one request, to a path of the service or to an address of its own.

        Raises:
            ServiceRefused: Nothing answers.
        """
        url = self._url + path if path.startswith("/") else path
        request = HttpRequest(url, data, dict(headers or {}), method=method)  # noqa: S310 - it is checked
        try:
            with urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                return Reply(response.status, _lower(response.headers), response.read())
        except HTTPError as error:
            return Reply(error.code, _lower(error.headers), error.read())
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            raise ServiceRefused(
                f"nothing answers at {self._url} ({reason})", "start the service with `modelet serve`"
            ) from error


# Sends a body; gives the status and the answer.
Send = Callable[[Body], tuple[int, bytes]]


def ask_service(url: str, reference: str, body: Body, accept: str) -> bytes:
    """Ask a running service.

    Args:
        url: Where it is, such as `http://127.0.0.1:8080`.
        reference: `NAME` or `NAME@VERSION`.
        body: What to send.
        accept: The answer's media type.

    Raises:
        ServiceRefused: It does not answer, or answers with an error.
    """
    http = Http(url)

    def send(body: Body) -> tuple[int, bytes]:
        headers = {"content-type": body.media_type, "accept": accept}
        reply = http.send("POST", path(reference), body.data, headers)
        return reply.status, reply.body

    return ask(send, body)


def ask_here(models: Path, reference: str, body: Body, accept: str) -> bytes:
    """Run the artifact in this process, behind the same routes that a function has.

    Args:
        models: The folder of the models.
        reference: `NAME` or `NAME@VERSION`.
        body: What to send.
        accept: The answer's media type.

    Raises:
        UnknownModel: There is no such version, or its binaries are missing.
        ServiceRefused: The model answers with an error.
    """
    from modelet_runtime.http.application import Application  # noqa: PLC0415 - a client of a service needs none
    from modelet_runtime.ort import OrtSession  # noqa: PLC0415
    from modelet_runtime.predictor import Predictor  # noqa: PLC0415
    from modelet_runtime.steps import pipeline  # noqa: PLC0415

    version = Repository(models).version(reference)
    if not version.is_complete:
        name = version.manifest.name
        raise UnknownModel(
            f"version {version.number} of '{name}' is not built here", f"run `modelet build {name}`"
        )
    with OrtSession(version.graph_file) as session:
        steps = pipeline.build(version.manifest, version.folder)
        application = Application(Predictor(version.manifest, session, steps))

        def send(body: Body) -> tuple[int, bytes]:
            headers = {"content-type": body.media_type, "accept": accept}
            response = application(Request("POST", path(reference), headers, body.data))
            return response.status, response.body

        return ask(send, body)


def ask(send: Send, body: Body) -> bytes:
    """Send a body; where its media type was only guessed, once more as one that the model takes."""
    status, answer = send(body)
    if status == _UNSUPPORTED and not body.is_certain:
        taken = _taken(answer)
        if taken:
            status, answer = send(replace(body, media_type=BYTES if BYTES in taken else taken[0]))
    if status != _OK:
        raise ServiceRefused(f"the model answers {status}: {_error(answer)}")
    return answer


def _lower(headers: Message) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _taken(answer: bytes) -> Sequence[str]:
    """The media types that an answer 415 lists."""
    details = _document(answer).get("details")
    expected = details.get("expected") if isinstance(details, Mapping) else None
    return expected if isinstance(expected, list) else []


def _error(answer: bytes) -> str:
    return str(_document(answer).get("error", answer[:200].decode(errors="replace")))


def _document(answer: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(answer)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}


def path(reference: str) -> str:
    """The friendly route of `NAME` or `NAME@VERSION`."""
    name, _, version = reference.partition("@")
    middle = f"/versions/{quote(version, safe='')}" if version else ""
    return f"/models/{quote(name, safe='')}{middle}/predict"
