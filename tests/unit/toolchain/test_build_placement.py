"""Who runs the graph of a model whose target is `auto`; the figures are computed by hand.

A function of 1,024 MiB costs 1.66667e-5 USD a second on x86_64, and an instance here 0.60 USD an hour. A run
of 110 ms costs 1.83334e-6 USD, the 10 ms that a function waits for an endpoint 1.66667e-7: an endpoint saves
1.66667e-6 USD a request, and an hour's 0.60 USD are saved at 100 requests a second.
"""

import pytest

from modelet.build.placement import in_function_ms, place
from modelet.recipe import Recipe


def recipe(rps: float, deadline_ms: int = 200, **endpoint: object) -> Recipe:
    expected = {"deadline_ms": deadline_ms, "expected_rps": rps, "instance_usd_hour": 0.6, **endpoint}
    return Recipe.from_dict(
        {
            "model": {"name": "demo_model", "source": "model.onnx", "target": "auto"},
            "resources": {"memory_mib": 1024},
            "endpoint": expected,
        }
    )


@pytest.mark.parametrize(("memory_mib", "taken_ms"), [(1769, 100), (3538, 100), (512, 345.5), (128, 1382)])
def test_a_function_of_less_than_a_cpu_takes_longer(memory_mib: int, taken_ms: float):
    # 1769 / 512 is 3.455, and 1769 / 128 is 13.82.
    assert in_function_ms(100, memory_mib) == pytest.approx(taken_ms, rel=1e-3)


def test_what_the_cpu_does_in_time_and_for_less_stays_there():
    found = place(recipe(rps=50), median_ms=110, p95_ms=120)

    assert found.target == "cpu"
    # 50 * 3600 * 1.83334e-6, and 0.60 + 50 * 3600 * 1.66667e-7
    assert (found.cpu_usd_hour, found.gpu_usd_hour) == (0.33, 0.63)
    assert found.break_even_rps == 100.0
    assert (found.cpu_median_ms, found.cpu_p95_ms, found.overhead_ms) == (110, 120, 20)
    assert (found.deadline_ms, found.expected_rps) == (200, 50)
    assert found.reason == (
        "the CPU is in time, 95% of requests take up to 140 ms of 200, and at 50 requests a second it costs"
        " 0.33 USD an hour, the endpoint 0.63"
    )


def test_what_the_cpu_does_too_late_goes_to_the_gpu_at_any_price():
    found = place(recipe(rps=0.1), median_ms=110, p95_ms=181)

    assert found.target == "gpu"
    assert found.cpu_usd_hour < found.gpu_usd_hour
    assert found.reason == "the CPU is too late: 95% of requests take up to 201 ms of 200"


def test_the_deadline_itself_is_in_time():
    assert place(recipe(rps=0.1), median_ms=110, p95_ms=180).target == "cpu"


def test_above_the_break_even_the_endpoint_costs_less():
    found = place(recipe(rps=200), median_ms=110, p95_ms=120)

    assert found.target == "gpu"
    assert (found.cpu_usd_hour, found.gpu_usd_hour) == (1.32, 0.72)
    assert found.reason == "at 200 requests a second the CPU costs 1.32 USD an hour, the endpoint 0.72"


@pytest.mark.parametrize(("rps", "target"), [(99.9, "cpu"), (100.1, "gpu")])
def test_the_break_even_is_where_the_decision_turns(rps: float, target: str):
    assert place(recipe(rps), median_ms=110, p95_ms=120).target == target


def test_a_run_that_is_shorter_than_the_way_to_the_endpoint_never_costs_more():
    found = place(recipe(rps=1e6), median_ms=10, p95_ms=11)

    assert (found.target, found.break_even_rps) == ("cpu", None)


def test_every_instance_at_rest_counts():
    found = place(recipe(rps=150, min_instances=2), median_ms=110, p95_ms=120)

    assert (found.target, found.break_even_rps) == ("cpu", 200.0)


def test_an_endpoint_that_goes_to_zero_has_an_instance_while_requests_come():
    found = place(recipe(rps=50, mode="async", min_instances=0), median_ms=110, p95_ms=120)

    assert found.gpu_usd_hour == 0.63


def test_the_list_price_counts_where_the_recipe_names_none():
    found = place(recipe(rps=1, instance_usd_hour=None), median_ms=110, p95_ms=120)

    # 0.7364 of an ml.g4dn.xlarge + 3600 * 1.66667e-7
    assert found.gpu_usd_hour == 0.737
