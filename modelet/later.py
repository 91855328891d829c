"""Asks a service for a job and waits for it; what is too large for a request is uploaded before."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from modelet.client import Body, Http, Reply, ask, path
from modelet.errors import ServiceRefused

# A binary body becomes a third longer on its way into Lambda, which takes 6 MB.
LARGEST_BODY_BYTES = 4_000_000
_ACCEPTED = 202
_ENDED = frozenset({"succeeded", "failed"})
_POLL_S = 1.0


def ask_later(url: str, reference: str, body: Body, accept: str, say: Callable[[str], None]) -> bytes:
    """Ask a running service for a job, and wait until it has ended.

    Args:
        url: Where it is, such as `http://127.0.0.1:8080`.
        reference: `NAME` or `NAME@VERSION`.
        body: What to send.
        accept: The answer's media type.
        say: Told in a line what becomes of the job.

    Raises:
        ServiceRefused: It does not answer, has no uploads, or the job failed.
    """
    http = Http(url)

    def send(body: Body) -> tuple[int, bytes]:
        headers = {"content-type": body.media_type, "accept": accept, "prefer": "respond-async"}
        target, data = path(reference), body.data
        if len(data) > LARGEST_BODY_BYTES:
            target, data = f"{target}?{urlencode({'upload': _upload(http, body)})}", b""
        reply = http.send("POST", target, data, headers)
        if reply.status != _ACCEPTED:
            return reply.status, reply.body  # refused, or answered by a service without jobs
        return _result(http, _wait(http, reply.headers["location"], say))

    return ask(send, body)


def _wait(http: Http, location: str, say: Callable[[str], None]) -> Mapping[str, Any]:
    state = ""
    while True:
        reply = http.send("GET", location)
        job = _document(reply, 200)["job"]
        if job["state"] != state:
            state = job["state"]
            say(f"job {job['id']}: {state}")
        if state in _ENDED:
            found: Mapping[str, Any] = job
            return found
        time.sleep(float(reply.headers.get("retry-after", _POLL_S)))


def _result(http: Http, job: Mapping[str, Any]) -> tuple[int, bytes]:
    """Status and body of a job's answer, wherever that is."""
    result = job["result"]
    if "url" in result:
        return result["status"], http.send("GET", result["url"]).body
    body = result.get("body", {"error": job.get("error", "no answer")})
    return result["status"], json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _upload(http: Http, body: Body) -> str:
    """Upload a body by the form that the service gives; gives the upload's id."""
    place = _document(http.send("POST", "/uploads", b""), 201)
    boundary = secrets.token_hex(16)
    fields = {**place["fields"], "Content-Type": body.media_type}
    form = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    form.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="body"\r\n\r\n')
    data = "".join(form).encode() + body.data + f"\r\n--{boundary}--\r\n".encode()
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    reply = http.send("POST", place["url"], data, headers)
    if reply.status not in {200, 201, 204}:
        raise ServiceRefused(f"the upload was refused with status {reply.status}")
    return str(place["upload"])


def _document(reply: Reply, status: int) -> Mapping[str, Any]:
    """The JSON of a reply.

    Raises:
        ServiceRefused: It has another status.
    """
    if reply.status != status:
        raise ServiceRefused(
            f"the service answers {reply.status}: {reply.body[:200].decode(errors='replace')}"
        )
    document: Mapping[str, Any] = json.loads(reply.body)
    return document
