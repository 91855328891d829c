"""`docs/cli.md`, made from the commands themselves: `python -m modelet.cli.reference > docs/cli.md`."""

import sys
from collections.abc import Iterator

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from modelet.cli.app import app

_PROGRAM = "modelet"
_HEAD = """\
# Commands

Made by `make docs` from the commands themselves; a test fails when they differ.

Every command exits with 0 when it did what was asked, with 1 when it refuses, and says in one sentence why
and what to do, and with 2 when it was called wrongly. Results go to standard output, all else to standard
error.
"""


def commands() -> dict[str, TyperCommand]:
    """All commands by name, those of a group behind its name, in the order of help."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return dict(_commands(group, ""))


def _commands(group: TyperGroup, prefix: str) -> Iterator[tuple[str, TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{prefix}{name} ")
        elif isinstance(command, TyperCommand):
            yield f"{prefix}{name}", command


def render() -> str:
    """The whole page."""
    sections = ("\n".join(_section(name, command)) for name, command in commands().items())
    return "\n".join((_HEAD, *sections))


def _section(name: str, command: TyperCommand) -> Iterator[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    usage = [
        str(argument.metavar) if argument.required else f"[{argument.metavar}]..." for argument in arguments
    ]
    yield f"## {_PROGRAM} {name}\n"
    yield f"```\n{' '.join((_PROGRAM, name, '[OPTIONS]', *usage))}\n```\n"
    yield f"{_plain(command.help or '')}\n"
    yield "| | |\n|---|---|"
    for parameter in command.params:
        yield _row(*(parameter.get_help_record(context) or ("", "")), is_argument=parameter in arguments)
    yield ""


def _row(name: str, text: str, *, is_argument: bool) -> str:
    shown = name.partition(" ")[0] if is_argument else name
    cells = (f"`{shown}`", _plain(text.removesuffix("  [required]").replace("  [", " [")))
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _plain(text: str) -> str:
    """Keep Markdown from taking `<name>` for HTML."""
    return text.replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(render())
