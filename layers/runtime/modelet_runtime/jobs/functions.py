"""Functions that are asked to work on a job."""

import json
from typing import Any

from modelet_runtime.jobs.record import Job

# The key of the event; its value is the job's id.
EVENT = "modelet_job"


class Functions:
    """Invokes functions, and does not wait for them.

    Args:
        client: botocore's client of Lambda.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def work(self, job: Job) -> None:
        """Have the function of a job work on it: by the same alias or version that its request came by."""
        payload = json.dumps({EVENT: job.job})
        self._client.invoke(FunctionName=job.function, InvocationType="Event", Payload=payload)
