"""Where the graph of a model whose target is `auto` runs: is the CPU in time, and what costs less?

A request costs the API's and the function's fee wherever its graph runs, because the function stands in
front of the endpoint too. What differs is compared for an hour at the expected rate: the function's time
while the graph runs in it, and the endpoint's instances with the function's time while it waits for them.
"""

from dataclasses import dataclass
from typing import Literal

from modelet.prices import LAMBDA_GB_SECOND
from modelet.recipe import Recipe
from modelet_runtime import manifest
from modelet_runtime.settings import MIB_PER_VCPU

# Two allowances, which no build can measure. What a request takes beside the graph: the API, Lambda's own
# way to a warm environment, the steps. And how long a function waits for what the endpoint answers.
OVERHEAD_MS = 20.0
ENDPOINT_WAIT_MS = 10.0

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Costs:
    """What differs between the two in an hour at the expected rate.

    Attributes:
        cpu_usd: The function's runs of the graph.
        gpu_usd: The endpoint's instances, and the function's time while it waits for them.
        break_even_rps: The rate above which the endpoint costs less; None where it never does.
    """

    cpu_usd: float
    gpu_usd: float
    break_even_rps: float | None

    @classmethod
    def of(cls, recipe: Recipe, run_ms: float) -> "Costs":
        """Compare.

        Args:
            recipe: A recipe whose target is `auto`.
            run_ms: One run on the CPU.
        """
        resources, endpoint = recipe.resources, recipe.endpoint
        assert endpoint.expected_rps is not None, "auto has it"
        assert endpoint.usd_hour is not None, "auto has it"
        second_usd = resources.memory_mib / 1024 * LAMBDA_GB_SECOND[resources.architecture]
        # Even an endpoint that may go to zero has an instance while requests come.
        instances_usd = max(1, endpoint.min_instances) * endpoint.usd_hour
        run_usd, wait_usd = run_ms / 1000 * second_usd, ENDPOINT_WAIT_MS / 1000 * second_usd
        requests = endpoint.expected_rps * _HOUR_S
        saved_usd = run_usd - wait_usd
        return cls(
            requests * run_usd,
            instances_usd + requests * wait_usd,
            instances_usd / _HOUR_S / saved_usd if saved_usd > 0 else None,
        )


def in_function_ms(measured_ms: float, memory_mib: int) -> float:
    """What a run takes in a function, of one that was measured on as many whole CPUs as its memory pays for.

    Below one vCPU a function gets a share of it by its memory.

    Args:
        measured_ms: The run's time on at least one CPU.
        memory_mib: The function's memory.
    """
    return measured_ms * max(1.0, MIB_PER_VCPU / memory_mib)


def place(recipe: Recipe, median_ms: float, p95_ms: float) -> manifest.Placement:
    """Decide who runs the graph.

    Args:
        recipe: A recipe whose target is `auto`.
        median_ms: One run in the function.
        p95_ms: What 95% of the runs take at most.
    """
    deadline_ms, rps = recipe.endpoint.deadline_ms, recipe.endpoint.expected_rps
    assert deadline_ms is not None, "auto has it"
    assert rps is not None, "auto has it"
    costs = Costs.of(recipe, median_ms)
    target, reason = _decide(p95_ms + OVERHEAD_MS, deadline_ms, rps, costs)
    return manifest.Placement(
        target=target,
        reason=reason,
        cpu_median_ms=median_ms,
        cpu_p95_ms=p95_ms,
        overhead_ms=OVERHEAD_MS,
        deadline_ms=deadline_ms,
        expected_rps=rps,
        cpu_usd_hour=_rounded(costs.cpu_usd),
        gpu_usd_hour=_rounded(costs.gpu_usd),
        break_even_rps=None if costs.break_even_rps is None else _rounded(costs.break_even_rps),
    )


def _decide(taken_ms: float, deadline_ms: int, rps: float, costs: Costs) -> tuple[Literal["cpu", "gpu"], str]:
    """The target, and why in a sentence."""
    in_time = f"95% of requests take up to {taken_ms:.4g} ms of {deadline_ms}"
    figures = f"{costs.cpu_usd:.3g} USD an hour, the endpoint {costs.gpu_usd:.3g}"
    if taken_ms > deadline_ms:
        return "gpu", f"the CPU is too late: {in_time}"
    if costs.gpu_usd < costs.cpu_usd:
        return "gpu", f"at {rps:g} requests a second the CPU costs {figures}"
    return "cpu", f"the CPU is in time, {in_time}, and at {rps:g} requests a second it costs {figures}"


def _rounded(figure: float) -> float:
    """As exact as an estimate is."""
    return float(f"{figure:.4g}")
