"""`passport.html`: one file without scripts, fonts or pictures from elsewhere."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from modelet.passport import charts, reading
from modelet.passport.charts import Bar
from modelet.passport.reading import Candidate
from modelet.repository import PASSPORT_FILE, Version

FILE_NAME = "passport.html"
_STYLE = Path(__file__).with_name("page.css")
_MOST_NODES = 15
_FILE_MODE = 0o644


def render(passport: Mapping[str, Any]) -> str:
    """The page of a passport.

    Args:
        passport: What `passport.json` holds.
    """
    found = reading.candidates(passport)
    title = f"{passport['model']} version {passport['version']}"
    sections = [
        _head(passport, found),
        _section(
            "Time", _times(found), "One run beside fp32's, taken in turn; the line is its 95% interval."
        ),
        _section(
            "Size", _sizes(found), "Of the file a function loads; the darker part is what it compresses to."
        ),
        _section(
            f"Answers: {reading.words(passport['bound']['metric'])}",
            _answers(passport, found),
            _rests(passport),
        ),
        _section("Every figure", _table(found), ""),
        _section("Why not the others", _reasons(found), ""),
        _section("Rows per run", _rows(passport), "How long a run of the winner takes for each of its rows."),
        _section("CPUs without VNNI", _guards(passport), reading.pairs_at_risk(passport)),
        _section(
            "Sensitive nodes", _nodes(passport), "The error that each node brings when it alone is in int8."
        ),
        _section("Pruning", _pruning(passport), ""),
        _section("The conversion", _parity(passport), "The converted graph beside the original framework."),
        _section("Where and with what", _machine(passport), ""),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: passport</title>\n<style>\n{_STYLE.read_text()}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(passport: Mapping[str, Any], found: Sequence[Candidate]) -> str:
    winner = next(each for each in found if each.is_winner)
    fp32 = found[0]
    figures = [
        (f"{winner.time:.2f}" if winner.time is not None else "-", "of fp32's time"),
        (f"{winner.bytes / fp32.bytes:.2f}" if fp32.bytes else "-", "of its bytes"),
        (_figure(winner, passport["bound"]["metric"]), reading.words(passport["bound"]["metric"])),
        (reading.milliseconds(winner.latency_ms[0]) if winner.latency_ms else "-", "a run"),
    ]
    tiles = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for value, name in figures
    )
    state = "passed" if passport["passed"] else "failed"
    return (
        f"<header><p>Passport</p><h1>{escape(passport['model'])}"
        f" <small>version {passport['version']}</small></h1>"
        f'<p class="state {state}">{escape(reading.outcome(passport))}</p></header>\n'
        f'<p class="lead"><b>{escape(winner.name)}</b>: {escape(passport["winner"]["reason"])}.</p>\n'
        f'<div class="tiles">{tiles}</div>'
    )


def _section(title: str, content: str, note: str) -> str:
    if not content:
        return ""
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{content}</section>"


def _times(found: Sequence[Candidate]) -> str:
    rows = [
        Bar(each.name, each.time, _time(each), _kind(each), each.time_95)
        for each in found
        if each.time is not None
    ]
    return charts.bars(rows, "time beside fp32", "of fp32's time", [(1.0, "")]) if len(rows) > 1 else ""


def _time(each: Candidate) -> str:
    return f"{each.time:.2f}" + (f"  ({reading.milliseconds(each.latency_ms[0])})" if each.latency_ms else "")


def _sizes(found: Sequence[Candidate]) -> str:
    largest = max(each.bytes for each in found)
    divisor, unit = (1024, "KiB") if largest < 1024**2 else (1024**2, "MiB")
    rows = [
        Bar(
            each.name,
            each.bytes / divisor,
            reading.size(each.bytes),
            _kind(each),
            inner=each.gzip_bytes / divisor,
        )
        for each in found
        if each.bytes
    ]
    return charts.bars(rows, "bytes of the file", unit)


def _answers(passport: Mapping[str, Any], found: Sequence[Candidate]) -> str:
    """The metric of the bound, and the cosine, which tells candidates apart that agree in all classes."""
    metric, limit = passport["bound"]["metric"], passport["bound"]["limit"]
    charted = _metric(found, metric, [(1 - limit if metric in reading.AT_LEAST else limit, "bound")])
    return charted if metric == "cosine" else charted + _metric(found, "cosine", ())


def _metric(found: Sequence[Candidate], metric: str, marks: Sequence[tuple[float, str]]) -> str:
    """Of what is near 1 only the distance from it can be seen."""
    at_least, name = metric in reading.AT_LEAST, reading.words(metric)
    rows = [
        Bar(
            each.name,
            None if value is None else max(1 - value if at_least else value, 0.0),
            "not measured" if value is None else f"{value:.6g}",
            _kind(each),
        )
        for each in found
        for value in [each.accuracy.get(metric)]
    ]
    if all(row.value is None for row in rows):
        return ""
    return charts.bars(rows, f"{name} by candidate", f"1 - {name}" if at_least else name, marks)


def _table(found: Sequence[Candidate]) -> str:
    head = (
        "candidate",
        "run, p95",
        "session",
        "memory",
        "top-1",
        "cosine",
        "largest difference",
        "accuracy",
        "kept in float",
    )
    rows = [
        (
            each.name,
            " / ".join(f"{value:.3g}" for value in each.latency_ms) + " ms" if each.latency_ms else "",
            reading.milliseconds(each.load_ms),
            f"{each.peak_mib:.0f} MiB" if each.peak_mib else "",
            *(_figure(each, metric) for metric in ("top1_agreement", "cosine", "max_abs_diff", "accuracy")),
            f"{each.left_out} nodes" if each.left_out else "",
        )
        for each in found
    ]
    return _html_table(head, rows, [_kind(each) for each in found])


def _reasons(found: Sequence[Candidate]) -> str:
    rows = [(each.name, each.about, each.verdict) for each in found if not each.is_winner]
    return _html_table(("candidate", "what it is", "why not"), rows)


def _figure(each: Candidate, metric: str) -> str:
    value = each.accuracy.get(metric)
    return "" if value is None else f"{value:.4g}"


def _rows(passport: Mapping[str, Any]) -> str:
    points = [(point["rows"], point["latency_ms"] / point["rows"]) for point in passport["batch_curve"]]
    return charts.curve(points, "time per row", "rows in a run", "ms per row") if len(points) > 1 else ""


def _guards(passport: Mapping[str, Any]) -> str:
    metrics = ("top1_agreement", "cosine", "cosine_min", "max_abs_diff")
    head = ("weights guarded", "top-1", "cosine", "smallest cosine", "largest difference")
    rows = [
        (name, *("" if accuracy.get(metric) is None else f"{accuracy[metric]:.6g}" for metric in metrics))
        for name, accuracy in reading.guards(passport)
    ]
    return _html_table(head, rows) if rows else ""


def _nodes(passport: Mapping[str, Any]) -> str:
    parts = []
    for name, errors in passport["sensitivity"].items():
        rows = [
            Bar(" ".join(each["nodes"]), each["error"], f"{each['error']:.2g}")
            for each in errors[:_MOST_NODES]
        ]
        if rows:
            parts.append(f"<h3>{escape(name)}</h3>")
            parts.append(charts.bars(rows, f"error by node of {name}", "squared error"))
    return "".join(parts)


def _pruning(passport: Mapping[str, Any]) -> str:
    found = passport.get("pruning")
    if not found:
        return ""
    metric = passport["bound"]["metric"]
    value = found["accuracy"].get(metric)
    rows = [
        ("asked for", f"{found['share']:.0%} of each tensor's weights"),
        ("zero now", f"{found['zeros']:.1%} of all weights that may be"),
        ("compressed size", f"{found['gzip_ratio']:.2f} of fp32's"),
        (reading.words(metric), "" if value is None else f"{value:.4g}"),
    ]
    return _html_table(("", ""), rows)


def _parity(passport: Mapping[str, Any]) -> str:
    head = ("output", "elements", "outside the tolerance", "largest difference", "smallest cosine", "top-1")
    rows = [
        (
            each["output"],
            f"{each['elements']:,}",
            f"{each['outside_tolerance']:,}",
            f"{each['max_abs_diff']:.3g}",
            "" if each["cosine_min"] is None else f"{each['cosine_min']:.6g}",
            "" if each["top1_agreement"] is None else f"{each['top1_agreement']:.4g}",
        )
        for each in passport["parity"]
    ]
    return _html_table(head, rows)


def _rests(passport: Mapping[str, Any]) -> str:
    return f"{reading.bound(passport).capitalize()} is asked for. {reading.judged_on(passport)}."


def _machine(passport: Mapping[str, Any]) -> str:
    contest = passport["contest"]
    rows = [
        ("machine", reading.measured_on(passport)),
        ("tools", ", ".join(f"{name} {version}" for name, version in passport["tools"].items())),
        ("contest", f"{contest['seconds']:g} s of {contest['budget_s']} s"),
    ]
    return _html_table(("", ""), rows)


def _kind(each: Candidate) -> str:
    return "winner" if each.is_winner else "reference" if each.is_reference else ""


def _html_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[str] | None = None
) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        lines.append(f'<tr class="{kinds[number] if kinds else ""}">{cells}</tr>')
    heading = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    return f'<div class="wide"><table>{heading}<tbody>{"".join(lines)}</tbody></table></div>'


def settle(version: Version) -> Path:
    """The page of a built version, in its folder; written if it is older than the passport.

    It is made of the passport alone, so it is neither committed nor digested.

    Raises:
        PassportMissing: The version has no passport, or one of an earlier form.
    """
    page, source = version.folder / FILE_NAME, version.folder / PASSPORT_FILE
    if page.is_file() and source.is_file() and page.stat().st_mtime_ns >= source.stat().st_mtime_ns:
        return page
    text = render(reading.load(version))
    with tempfile.NamedTemporaryFile("w", dir=version.folder, prefix=".passport-", delete=False) as file:
        file.write(text)
    Path(file.name).chmod(_FILE_MODE)
    return Path(file.name).replace(page)
