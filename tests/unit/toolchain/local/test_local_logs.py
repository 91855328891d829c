"""Lines of functions become lines that people read, and EMF becomes metrics."""

import io
import json
import re

from rich.console import Console

from modelet.local.logs import LogView
from modelet.local.metrics import ServiceMetrics


def shown(*chunks: bytes, color: bool = False) -> tuple[list[str], ServiceMetrics]:
    file = io.StringIO()
    metrics = ServiceMetrics()
    console = Console(file=file, force_terminal=color, color_system="truecolor" if color else None)
    view = LogView(console, metrics)
    view.function("a_longer_name")
    stream = view.function("file_type").stream()
    for chunk in chunks:
        stream.write(chunk)
    stream.close()
    return file.getvalue().splitlines(), metrics


def test_plain_lines_carry_time_and_name() -> None:
    lines, _ = shown(b"first\nsec", b"ond\n\n", b"unfinished \xff")
    texts = ["first", "second", "unfinished \N{REPLACEMENT CHARACTER}"]
    assert len(lines) == len(texts)
    for line, text in zip(lines, texts, strict=True):
        assert re.fullmatch(rf"\d\d:\d\d:\d\d file_type  +{text}", line)


def test_structured_lines_are_laid_out() -> None:
    entry = {
        "level": "WARNING",
        "location": "f:1",
        "message": "the [bold]warm-up[/bold] failed",
        "timestamp": "2026-01-01",
        "service": "modelet",
        "model": "file_type",
        "code": "inference_failed",
        "count": 3,
    }
    [line], _ = shown(json.dumps(entry).encode() + b"\n")
    assert "WARNING the [bold]warm-up[/bold] failed" in line
    assert "code=inference_failed" in line
    assert "count=3" in line
    assert "2026-01-01" not in line


def test_the_runtime_clients_errors_show_their_traceback() -> None:
    entry = {
        "level": "ERROR",
        "errorMessage": "no such weights",
        "errorType": "LookupError",
        "requestId": "",
        "stackTrace": ['  File "handler.py", line 3, in <module>\n    raise LookupError()\n'],
    }
    lines, _ = shown(json.dumps(entry).encode() + b"\n")
    assert "ERROR   LookupError: no such weights" in lines[0]
    assert 'File "handler.py", line 3' in lines[1]
    assert "raise LookupError()" in lines[2]


def test_json_that_is_no_log_entry_is_shown_as_it_is() -> None:
    lines, _ = shown(b'[1, 2]\n{"a": \n{"b": 1}\n')
    assert lines[0].endswith("[1, 2]")
    assert lines[1].endswith('{"a":')
    assert lines[2].endswith('{"b": 1}')


def test_malformed_emf_harms_nothing() -> None:
    documents = [
        {"_aws": None},
        {"_aws": {"CloudWatchMetrics": 5}},
        {"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "x"}], "Dimensions": "no"}]}, "x": "text"},
        {"_aws": {"CloudWatchMetrics": [{"Metrics": [{}], "Dimensions": [["d"]]}]}},
        {"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "ok", "Unit": "Count"}]}]}, "ok": 2},
    ]
    lines, metrics = shown(*(json.dumps(document).encode() + b"\n" for document in documents))
    assert lines == []
    assert b"ok_total 2.0" in metrics.text()


def test_metrics_of_one_name_may_have_different_dimensions() -> None:
    def emf(value: float, **dimensions: str) -> bytes:
        directive = {
            "Namespace": "modelet",
            "Dimensions": [list(dimensions)],
            "Metrics": [{"Name": "errors", "Unit": "Count"}],
        }
        return (
            json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "errors": value, **dimensions}).encode()
            + b"\n"
        )

    _, metrics = shown(emf(1, model="a"), emf(2, model="a", code='quo"te'), emf(4, model="a"))
    text = metrics.text().decode()
    assert 'modelet_errors_total{model="a"} 5.0' in text
    assert 'modelet_errors_total{code="quo\\"te",model="a"} 2.0' in text
    assert text.count("# TYPE modelet_errors_total counter") == 1


def test_a_runaway_line_is_cut() -> None:
    lines, _ = shown(*[b"x" * 400_000] * 4)
    assert len(lines) == 2


def test_names_have_colours_on_a_terminal() -> None:
    [line], _ = shown(b"hello\n", color=True)
    assert "\x1b[" in line
    assert line.endswith("hello")
