"""Whoever wants to hear that a job has ended: one URL for all of them."""

import json
from collections.abc import Callable, Mapping
from http.client import HTTPException
from time import sleep
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

# Short: the function is paid for while it waits.
_TIMEOUT_S = 5.0
_PAUSES_S = (0.0, 0.5, 2.0)


class Webhook:
    """Posts the documents of jobs that have ended.

    Args:
        url: Where to.
        pause: Waits between two tries.
    """

    def __init__(self, url: str, pause: Callable[[float], None] = sleep) -> None:
        if not url.startswith(("https://", "http://")):
            raise ValueError(f"MODELET_JOBS_WEBHOOK: expected an http or https URL, got {url!r}")
        self._url = url
        self._pause = pause

    def tell(self, document: Mapping[str, Any]) -> bool:
        """Post a document, a few times if need be; whether it was taken."""
        body = json.dumps({"job": document}).encode()
        for pause_s in _PAUSES_S:
            self._pause(pause_s)
            request = Request(self._url, body, {"content-type": "application/json"})  # noqa: S310 - checked
            try:
                with urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310 - checked above
                    return True
            except (URLError, HTTPException, OSError):
                continue
        return False
