"""A passport as people read it: a page that browsers can parse, and tables."""

import copy
import io
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from modelet.errors import PassportMissing
from modelet.passport import page, reading
from modelet.passport.terminal import PassportView
from modelet.repository import Version

ACCURACY = {
    "runs": 20,
    "top1_agreement": 1.0,
    "cosine": 0.9998,
    "cosine_min": 0.999,
    "max_abs_diff": 0.01,
    "accuracy": 0.97,
    "accuracy_drop": 0.0,
}
RACE = {"ratio": 0.42, "ratio_95": [0.4, 0.45], "rounds": 30}


def candidate(name: str, **changes: Any) -> dict[str, Any]:
    timing = {"median": 1.5, "p95": 1.75}
    measured = {"latency_ms": timing, "session_load_ms": timing, "peak_mib": 44.5, "race": None}
    return {
        "name": name,
        "about": f"what {name} is",
        "formula": {"precision": name},
        "file": "model.ort",
        "bytes": 2_000_000,
        "gzip_bytes": 1_000_000,
        "accuracy": ACCURACY,
        "failure": "",
        "precision": name,
        "left_out": [],
        "rejected": "",
        **measured,
        **changes,
    }


NOTHING = {"latency_ms": None, "session_load_ms": None, "accuracy": None, "peak_mib": 0.0, "bytes": 0}
PASSPORT: dict[str, Any] = {
    "format": 2,
    "model": "digit_image",
    "version": 3,
    "passed": True,
    "accepted": "",
    "winner": {
        "name": "int8-static",
        "precision": "int8-static",
        "file": "model.ort",
        "reason": "it is <fast>",
    },
    "bound": {"metric": "top1_agreement", "limit": 0.99},
    "contest": {
        "seconds": 12.5,
        "budget_s": 60,
        "threads": 1,
        "is_timed": True,
        "calibration_runs": 10,
        "evaluation_runs": 20,
        "held_out": True,
        "has_targets": True,
    },
    "candidates": [
        candidate("fp32", formula={}, rejected="slower"),
        candidate("int8-static", race=RACE, left_out=["a", "b"]),
        candidate("int4-weights", **NOTHING, failure="no kernel", rejected="failed: no kernel"),
        candidate("stock", formula=None, race={**RACE, "ratio": 1.1}, rejected="measured for comparison"),
    ],
    "batch_curve": [
        {"rows": 1, "latency_ms": 1.5, "peak_mib": 40},
        {"rows": 8, "latency_ms": 4.0, "peak_mib": 41},
    ],
    "saturation": {"pairs": 1000, "unsafe": 17, "accuracy_by_guard": {"pairs": ACCURACY, "7bit": ACCURACY}},
    "pruning": {"share": 0.5, "zeros": 0.48, "gzip_ratio": 0.7, "accuracy": ACCURACY},
    "sensitivity": {"int8-static": [{"nodes": ["/conv1", "/relu"], "error": 0.002}]},
    "data": {"origin": "train.py:samples", "runs": 30, "sha256": "ab" * 32, "rtol": 0.001, "atol": 0.0001},
    "parity": [
        {
            "output": "scores",
            "elements": 300,
            "outside_tolerance": 0,
            "max_abs_diff": 1e-7,
            "cosine_min": 1.0,
            "top1_agreement": 1.0,
        }
    ],
    "machine": {
        "cpu": "AMD EPYC",
        "cpus": 2,
        "vnni": True,
        "architecture": "x86_64",
        "system": "Linux",
        "python": "3.11.7",
    },
    "tools": {"onnx": "1.23.2"},
}
LEAST = {
    **PASSPORT,
    "candidates": [candidate("fp32", formula={})],
    "winner": {**PASSPORT["winner"], "name": "fp32"},
    "batch_curve": [],
    "saturation": None,
    "pruning": None,
    "sensitivity": {},
    "passed": False,
    "accepted": "the old one is worse",
}


class Reader(HTMLParser):
    """Text by element, and whether every element was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta" and not tag.startswith("!"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"h1", "h2"}:
            self.headings.append(data.strip())
        if "style" not in self.open:
            self.text += data


def test_the_page_tells_everything_the_passport_has():
    text = page.render(PASSPORT)
    read = Reader(text)

    assert read.open == []
    assert read.headings == [
        "digit_image",
        "Time",
        "Size",
        "Answers: top-1 agreement",
        "Every figure",
        "Why not the others",
        "Rows per run",
        "CPUs without VNNI",
        "Sensitive nodes",
        "Pruning",
        "The conversion",
        "Where and with what",
    ]
    for said in ("it is <fast>", "0.42", "failed: no kernel", "17 of 1,000 pairs", "/conv1 /relu", "2 nodes"):
        assert said in read.text


def test_plots_are_well_formed_and_drawn_to_scale():
    text = page.render(PASSPORT)
    plots = [ElementTree.fromstring(plot) for plot in re.findall(r"<svg.*?</svg>", text)]
    times = plots[0]
    widths = {
        bar[0].text.partition(":")[0]: float(bar.attrib["width"])
        for bar in times.iter("rect")
        if len(bar) and bar[0].text
    }

    assert len(plots) == 6
    assert widths["int8-static"] / widths["fp32"] == pytest.approx(0.42, abs=0.01)
    assert widths["stock"] / widths["fp32"] == pytest.approx(1.1, abs=0.01)


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs():
    text = page.render(PASSPORT)

    assert not any(word in text for word in ("<script", "http:", "https:", "url(", "@import", "src="))


def test_what_was_not_measured_is_left_out():
    read = Reader(page.render(LEAST))

    assert "Rows per run" not in read.headings
    assert "Sensitive nodes" not in read.headings
    assert "failed, accepted: the old one is worse" in read.text


def test_the_terminal_shows_candidates_and_why_not():
    console = Console(file=io.StringIO(), width=160)
    console.print(PassportView(PASSPORT))
    shown = console.file.getvalue()

    assert "digit_image version 3: passed" in shown
    assert "0.42" in shown
    assert "1.9 MiB" in shown
    assert "failed: no kernel" in shown
    assert "top-1 agreement at least 0.99" in shown


def test_a_page_is_written_once_and_again_when_the_passport_is_newer(tmp_path: Path):
    version = Version(3, tmp_path)
    source = tmp_path / "passport.json"
    source.write_text(json.dumps(PASSPORT))
    written = page.settle(version)
    first = written.stat().st_ino
    assert page.settle(version).stat().st_ino == first

    changed = copy.deepcopy(PASSPORT)
    changed["winner"]["reason"] = "something else"
    source.write_text(json.dumps(changed))
    later_ns = written.stat().st_mtime_ns + 1_000_000
    os.utime(source, ns=(later_ns, later_ns))
    assert "something else" in page.settle(version).read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["passport.html", "passport.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "cannot be read"), ("{}", "cannot be read"), ('{"format": 1}', "expected 2, got 1")],
)
def test_a_passport_that_cannot_be_read_is_refused(tmp_path: Path, text: str, said: str):
    (tmp_path / "passport.json").write_text(text)

    with pytest.raises(PassportMissing, match=said):
        reading.load(Version(1, tmp_path))
