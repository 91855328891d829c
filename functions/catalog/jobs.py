"""Jobs and uploads, which belong to no single model; without a table and a bucket there are none."""

from functools import cached_property
from typing import TYPE_CHECKING

import orjson
from aws_lambda_powertools.event_handler import Response

from modelet_runtime.errors import NotFound, UnsupportedExtension
from modelet_runtime.http.messages import JSON
from modelet_runtime.settings import JobsSettings

if TYPE_CHECKING:
    from modelet_runtime.jobs.board import Board

_FRESH = {"cache-control": "no-store"}


class Jobs:
    """Answers about jobs.

    Args:
        settings: Where they are.
    """

    def __init__(self, settings: JobsSettings | None) -> None:
        self._settings = settings

    @cached_property
    def _board(self) -> "Board | None":
        if self._settings is None:
            return None
        # AWS is imported with the first request that asks for a job.
        from modelet_runtime.jobs import opening  # noqa: PLC0415

        return opening.board(self._settings)

    def show(self, job: str) -> Response[str]:
        """A job and, once it has ended, its result.

        Raises:
            NotFound: (404) There is no such job.
            NotReady: (503) AWS does not answer.
        """
        if self._board is None:
            raise NotFound(f"no job '{job[:80]}': this service answers all requests at once")
        found, document = self._board.job(job)
        headers = _FRESH if found.has_ended else _FRESH | {"retry-after": "1"}
        return Response(200, JSON, orjson.dumps(document).decode(), {**headers})

    def new_upload(self) -> Response[str]:
        """A place for one upload.

        Raises:
            NotReady: (503) AWS does not answer.
            UnsupportedExtension: (501) There is no bucket.
        """
        if self._board is None:
            raise UnsupportedExtension("there are no uploads here: MODELET_JOBS_BUCKET is not set")
        return Response(201, JSON, orjson.dumps(self._board.new_upload()).decode(), {**_FRESH})
