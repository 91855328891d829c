"""What things are called on one machine; an account has names of its own."""

DEFAULT_PORT = 9000
INPUT_BUCKET = "modelet-in"
OUTPUT_BUCKET = "modelet-out"
TABLE = "modelet-batch"
STRAYS = "modelet-batch-strays"
JOBS_TABLE = "modelet-jobs"
JOBS_BUCKET = "modelet-jobs"


def lane(model: str, version: int) -> str:
    """The queue, the rule and the state machine of a version."""
    return f"modelet-batch-{model}-{version}"
