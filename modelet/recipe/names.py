"""A model's name, which is the join key everywhere."""

import re

from modelet.errors import RecipeRefused

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_LIMIT = 48  # a function's name has 64 characters, and the stage stands before the model's


def check_name(name: str, where: str) -> None:
    """Refuse a model's name that cannot be a folder, a route and part of a function's name.

    Raises:
        RecipeRefused: It is not lower-case words joined by underscores, or too long.
    """
    if not NAME.fullmatch(name) or len(name) > NAME_LIMIT:
        raise RecipeRefused(
            f"{where}: expected <domain>_<task> in lower-case letters, digits and underscores,"
            f" {NAME_LIMIT} characters at most, got '{name}'"
        )
