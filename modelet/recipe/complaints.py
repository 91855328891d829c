"""What pydantic says of a `model.toml`, in this project's words."""

from pydantic import ValidationError


def first(error: ValidationError) -> str:
    """The first of pydantic's complaints as `key: what is wrong`."""
    complaint = error.errors()[0]
    key = ""
    if not complaint["loc"]:  # what two sections have to do with each other names its keys itself
        return complaint["msg"].removeprefix("Value error, ")
    for part in complaint["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    if complaint["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if complaint["type"] == "missing":
        return f"{key}: missing key"
    text = complaint["msg"].removeprefix("Value error, ").removeprefix("Input ")
    actual = "" if isinstance(complaint["input"], dict) else f", got {complaint['input']!r}"
    return f"{key}: {text}{actual}"
