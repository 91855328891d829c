"""The rules, on figures made up for each."""

from dataclasses import replace

import pytest

from modelet.build.contest.entry import Entry
from modelet.build.contest.layout import MOST_EXTRA_LOAD_MS, MOST_RUNS_TO_EARN, objection
from modelet.build.contest.race import Race, Timing
from modelet.build.contest.verdict import LEAST_EVALUATION_RUNS, NOISE_MS, judge, passing
from modelet.build.quantise.accuracy import Accuracy, Bound
from modelet.build.quantise.formula import Formula
from modelet_runtime.manifest import ONNX_FILE, ORT_FILE

BOUND = Bound("top1_agreement", 0.99)
FP32_MS = 10.0


def figures(
    formula, ratio=None, size=1000, agreement=1.0, runs=100, load_ms=4.0, file=ORT_FILE, unit_ms=FP32_MS
):
    """An entry with a time in units of fp32's; without one it is not raced, as fp32 itself."""
    entry = Entry.of(formula, file)
    race = None
    if ratio is not None:
        once = Timing(unit_ms * ratio, unit_ms * ratio)
        race = Race(once, Timing(unit_ms, unit_ms), ratio, (ratio, ratio), 100)
    return replace(
        entry,
        bytes=size,
        gzip_bytes=size,
        accuracy=Accuracy(runs, top1_agreement=agreement),
        race=race,
        latency_ms=Timing(unit_ms * (ratio or 1.0), unit_ms),
        session_load_ms=Timing(load_ms, load_ms),
    )


FP32 = figures(Formula())


def static(method="mse", **changes):
    return figures(Formula("int8-static", method, "pairs"), **changes)


def dynamic(**changes):
    return figures(Formula("int8-dynamic", guard="pairs"), **changes)


def winner(*entries, asked_for=None):
    return judge([FP32, *entries], BOUND, asked_for)


def test_the_fastest_wins():
    verdict = winner(static(ratio=0.4), dynamic(ratio=0.6, size=100))
    assert (verdict.winner, verdict.passed) == ("int8-static-mse", True)
    assert verdict.rejections == {
        "fp32": "slower than int8-static-mse: 2.50 times as long",
        "int8-dynamic": "slower than int8-static-mse: 1.50 times as long",
    }
    assert verdict.reason == (
        "int8-static-mse has 0.40 of fp32's time and 1.00 of its bytes with top1 agreement 1"
        " (top1 agreement at least 0.99 is asked for)"
    )


def test_of_those_as_fast_the_smallest_wins():
    verdict = winner(static(ratio=0.40, size=500), dynamic(ratio=0.41, size=250))
    assert verdict.winner == "int8-dynamic"
    assert (
        verdict.rejections["int8-static-mse"]
        == "as fast as int8-dynamic within noise, but 2.00 times as large"
    )


def test_of_those_as_small_the_most_accurate_wins():
    verdict = winner(
        static("minmax", ratio=0.4, size=250, agreement=0.995),
        static("mse", ratio=0.405, size=251, agreement=1.0),
    )
    assert verdict.winner == "int8-static-mse"
    assert verdict.rejections["int8-static-minmax"] == "no better than int8-static-mse"


def test_as_fast_as_fp32_and_smaller_is_better_than_fp32():
    assert winner(static(ratio=1.02, size=250)).winner == "int8-static-mse"


def test_what_is_slower_never_wins_however_small():
    verdict = winner(static(ratio=1.04, size=1))
    assert (verdict.winner, verdict.rejections["int8-static-mse"]) == (
        "fp32",
        "slower than fp32: 1.04 of its time",
    )
    assert verdict.reason == "nothing beats fp32: of 1 other candidates 1 were slower"


def test_microseconds_are_noise_whatever_their_ratio():
    unit_ms = 0.01
    fp32 = figures(Formula(), unit_ms=unit_ms)
    within, beyond = 1 + 0.9 * NOISE_MS / unit_ms, 1 + 1.1 * NOISE_MS / unit_ms
    assert judge([fp32, static(ratio=within, size=1, unit_ms=unit_ms)], BOUND).winner == "int8-static-mse"
    assert judge([fp32, static(ratio=beyond, size=1, unit_ms=unit_ms)], BOUND).winner == "fp32"


def test_what_loses_too_much_never_wins_however_fast():
    verdict = winner(static(ratio=0.1, agreement=0.98))
    assert verdict.winner == "fp32"
    assert verdict.rejections["int8-static-mse"] == (
        "outside the bound: top1 agreement 0.98, allowed is top1 agreement at least 0.99"
    )


def test_what_fails_is_reported_and_the_others_go_on():
    broken = replace(Entry.of(Formula("int8-dynamic")), failure="it crashed")
    verdict = winner(broken, static(ratio=0.5))
    assert (verdict.winner, verdict.rejections["int8-dynamic"]) == ("int8-static-mse", "failed: it crashed")


def test_few_samples_prove_nothing():
    few = LEAST_EVALUATION_RUNS - 1
    verdict = winner(static(ratio=0.1, runs=few))
    assert verdict.winner == "fp32"
    assert verdict.rejections["int8-static-mse"].startswith(f"judged on {few} samples")
    pruned = figures(Formula(prune=0.5), ratio=0.5, runs=few)
    assert winner(pruned).winner == "fp32"


def test_another_form_of_the_same_weights_needs_no_samples():
    laid_out = figures(Formula(), ratio=0.7, runs=1, file=ONNX_FILE)
    assert winner(laid_out).winner == "fp32-onnx"


@pytest.mark.parametrize(
    ("extra_load_ms", "saved_ms", "complaint"),
    [
        (-1.0, 0.0, ""),
        (6.0, 1.0, ""),
        (MOST_EXTRA_LOAD_MS, 1.0, ""),
        (MOST_EXTRA_LOAD_MS + 1, 100.0, "loads 51 ms longer, and 50 ms are allowed"),
        (6.0, 6.1 / MOST_RUNS_TO_EARN, ""),
        (6.0, 5.9 / MOST_RUNS_TO_EARN, "loads 6.0 ms longer, which 100 runs do not make up for"),
        (6.0, -1.0, "loads 6.0 ms longer, which 100 runs do not make up for"),
    ],
)
def test_loading_longer_has_to_be_worth_it(extra_load_ms, saved_ms, complaint):
    assert objection(extra_load_ms, saved_ms) == complaint


def test_a_form_is_compared_with_its_own_mapped_form():
    mapped, laid_out = static(ratio=0.40), static(ratio=0.30, load_ms=4 + 99, file=ONNX_FILE)
    verdict = winner(mapped, laid_out)
    assert verdict.winner == "int8-static-mse"
    assert verdict.rejections["int8-static-mse-onnx"].startswith("loads 99 ms longer")


def test_of_two_forms_as_fast_as_each_other_the_mapped_one_is_taken():
    verdict = winner(static(ratio=0.40, size=1000), static(ratio=0.39, size=900, load_ms=1, file=ONNX_FILE))
    assert verdict.winner == "int8-static-mse"
    assert verdict.rejections["int8-static-mse-onnx"].startswith("no faster than int8-static-mse, which is")


def test_stock_only_stands_for_comparison():
    stock = replace(FP32, name="stock", formula=None, race=static(ratio=0.1).race)
    verdict = winner(stock)
    assert (verdict.winner, verdict.rejections) == ("fp32", {"stock": "measured for comparison"})
    assert verdict.reason == "fp32 is the only candidate"


class TestAskedFor:
    def test_it_wins_though_another_is_better(self):
        assert (
            winner(static(ratio=0.2), dynamic(ratio=0.5), asked_for="int8-dynamic").winner == "int8-dynamic"
        )

    def test_nothing_of_it_passes(self):
        verdict = winner(dynamic(ratio=3.0), static(ratio=0.2), asked_for="int8-dynamic")
        assert (verdict.winner, verdict.passed) == ("int8-dynamic", False)
        assert verdict.reason == "int8-dynamic was asked for: slower than fp32: 3.00 of its time"

    def test_the_nearest_of_several_is_kept(self):
        verdict = winner(
            static("minmax", ratio=0.2, agreement=0.5),
            static("mse", ratio=0.2, agreement=0.9),
            asked_for="int8-static",
        )
        assert (verdict.winner, verdict.passed) == ("int8-static-mse", False)

    def test_all_of_it_failed(self):
        broken = replace(Entry.of(Formula("int8-dynamic")), failure="it crashed")
        verdict = winner(broken, asked_for="int8-dynamic")
        assert (verdict.winner, verdict.passed) == ("fp32", False)
        assert verdict.reason == "int8-dynamic was asked for: it failed: it crashed"


def test_passing_are_those_that_may_win():
    entries = [FP32, static(ratio=0.5), dynamic(ratio=2.0)]
    assert [entry.name for entry in passing(entries, BOUND)] == ["fp32", "int8-static-mse"]
