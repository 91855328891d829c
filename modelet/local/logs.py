"""What the functions write, shown with their name; EMF lines go to the metrics instead.

Lines are written straight to the terminal's file in colours prepared once: a `Console.print` per line
would cost as much as a whole warm request.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style

from modelet.local.metrics import ServiceMetrics

_MAX_LINE_BYTES = 1024 * 1024  # Lambda cuts at 256 KB; EMF lines can be long, runaway output must not grow
_STYLES = {
    "DEBUG": Style(dim=True),
    "INFO": Style(color="blue"),
    "WARNING": Style(color="yellow"),
    "ERROR": Style(color="red", bold=True),
    "CRITICAL": Style(color="red", bold=True),
}
_NAME_COLORS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")

# What a structured line has besides its message that nobody wants to read on a terminal.
_HIDDEN = frozenset(
    {
        "timestamp",
        "level",
        "message",
        "location",
        "service",
        "logger",
        "requestId",
        "function_arn",
        "function_memory_size",
        "function_name",
        "function_request_id",
        "sampling_rate",
        "stackTrace",
        "exception",
        "xray_trace_id",
    }
)


class LogView:
    """Shows log lines of many functions on one console.

    Args:
        console: Where to.
        metrics: Takes the EMF documents.
    """

    def __init__(self, console: Console, metrics: ServiceMetrics) -> None:
        self._console = console
        self._metrics = metrics
        self._names: dict[str, str] = {}
        self._width = 0

    def function(self, name: str) -> "FunctionLog":
        """The log of one function."""
        self._width = max(self._width, len(name))
        self._names[name] = _NAME_COLORS[len(self._names) % len(_NAME_COLORS)]
        return FunctionLog(self, name)

    def show(self, name: str, level: str, text: str, fields: Mapping[str, object]) -> None:
        """Write one entry, which may have several lines."""
        clock = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        prefix = " ".join(
            (
                self._paint(clock, Style(dim=True)),
                self._paint(name.ljust(self._width), Style(color=self._names.get(name))),
                self._paint(level.ljust(7), _STYLES.get(level, Style())),
            )
        )
        rest = "".join(f" {self._paint(key + '=', Style(dim=True))}{_brief(fields[key])}" for key in fields)
        first, *more = text.rstrip().splitlines() or [""]
        lines = [f"{prefix} {first}{rest}", *(f"{prefix} {line}" for line in more)]
        self._console.file.write("\n".join(lines) + "\n")
        self._console.file.flush()

    def record(self, document: Mapping[str, object]) -> None:
        """Take an EMF document."""
        self._metrics.record_emf(document)

    def _paint(self, text: str, style: Style) -> str:
        system = self._console.color_system
        return style.render(text, color_system=COLOR_SYSTEMS[system]) if system else text


class FunctionLog:
    """The log of one function, over all its environments."""

    def __init__(self, view: LogView, name: str) -> None:
        self._view = view
        self._name = name

    def stream(self) -> "LineStream":
        """A stream for the output of one process."""
        return LineStream(self)

    def note(self, level: str, text: str, **fields: object) -> None:
        """Say something about the function, as Lambda's platform does in its log."""
        self._view.show(self._name, level, text, fields)

    def line(self, line: bytes) -> None:
        """Show or record one line of the function's output."""
        document = _json_object(line)
        if document is None:
            self._view.show(self._name, "", line.decode("utf-8", "replace"), {})
        elif "_aws" in document:
            self._view.record(document)
        elif document.keys() & {"message", "errorType"}:
            self._structured(document)
        else:
            self._view.show(self._name, "", line.decode("utf-8", "replace"), {})

    def _structured(self, document: dict[str, object]) -> None:
        """A line of Powertools' Logger or of the runtime client in its JSON format."""
        text = str(document.get("message") or document.get("errorMessage") or "")
        if "errorType" in document and "message" not in document:
            text = f"{document['errorType']}: {text}"
        trace = document.get("exception") or document.get("stackTrace")
        if isinstance(trace, list):
            trace = "".join(str(part) for part in trace)
        if trace:
            text = f"{text}\n{trace}"
        shown = {key: value for key, value in document.items() if key not in _HIDDEN and key not in text}
        for key in ("errorType", "errorMessage"):
            shown.pop(key, None)
        self._view.show(self._name, str(document.get("level", "INFO")), text, shown)


class LineStream:
    """Cuts a process's output into lines."""

    def __init__(self, log: FunctionLog) -> None:
        self._log = log
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._log.line(line)
        if len(self._rest) > _MAX_LINE_BYTES:
            self.close()

    def close(self) -> None:
        """Show what is left of an unfinished line."""
        rest, self._rest = self._rest, b""
        if rest.strip():
            self._log.line(rest)


def _json_object(line: bytes) -> dict[str, object] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _brief(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
