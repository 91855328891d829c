"""The command `modelet`."""

import sys
from collections.abc import Sequence


def main() -> None:
    """Run the command line and exit: 0 done, 1 refused, 2 wrong use."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: What stands behind `modelet`.

    Returns:
        The exit code.
    """
    from modelet.cli.app import app
    from modelet.cli.output import refuse
    from modelet.errors import Refused
    from modelet_runtime.errors import ModeletError

    try:
        app(list(arguments), prog_name="modelet")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except (Refused, ModeletError) as error:
        return refuse(error)
    return 0
