from threading import Thread

import pytest

from modelet_runtime.statistics import DURATIONS, Statistics


def test_counts_rows_and_runs_apart():
    statistics = Statistics()
    statistics.add_success(rows=3, input_ns=10, infer_ns=2_500_000, output_ns=5)
    statistics.add_success(rows=1, input_ns=20, infer_ns=500_000, output_ns=5)
    assert (statistics.inference_count, statistics.execution_count) == (4, 2)
    assert statistics.last_inference_ms == pytest.approx(0.5)


def test_has_the_form_of_tritons_model_stats():
    statistics = Statistics()
    statistics.add_success(rows=2, input_ns=10, infer_ns=20, output_ns=5)
    statistics.add_failure(7)
    document = statistics.as_dict()
    assert document.pop("last_inference") > 1_700_000_000_000  # milliseconds since 1970
    assert document == {
        "inference_count": 2,
        "execution_count": 1,
        "inference_stats": {
            "success": {"count": 1, "ns": 35},
            "fail": {"count": 1, "ns": 7},
            "queue": {"count": 1, "ns": 0},
            "compute_input": {"count": 1, "ns": 10},
            "compute_infer": {"count": 1, "ns": 20},
            "compute_output": {"count": 1, "ns": 5},
        },
    }


def test_begins_with_nothing():
    document = Statistics().as_dict()
    assert document["last_inference"] == 0
    assert document["inference_stats"] == {name: {"count": 0, "ns": 0} for name in DURATIONS}


def test_loses_nothing_between_threads():
    statistics = Statistics()

    def work() -> None:
        for _ in range(2_000):
            statistics.add_success(rows=2, input_ns=1, infer_ns=1, output_ns=1)
            statistics.add_failure(1)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document = statistics.as_dict()
    assert document["inference_count"] == 16_000
    assert document["execution_count"] == 8_000
    assert document["inference_stats"]["success"] == {"count": 8_000, "ns": 24_000}
    assert document["inference_stats"]["fail"] == {"count": 8_000, "ns": 8_000}
