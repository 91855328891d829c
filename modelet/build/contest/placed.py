"""The contest of a model whose target is `auto`: the CPU's first, because its winner's time decides."""

import onnx

from modelet.build.cases import Runs
from modelet.build.contest.record import Contest
from modelet.build.contest.ring import Report, hold
from modelet.build.contest.settings import Settings
from modelet.build.optimise import Artifact, Candidate, optimise
from modelet.build.placement import in_function_ms, place
from modelet.errors import RecipeRefused
from modelet.recipe import Recipe
from modelet_runtime.manifest import Placement


def require_measurable(recipe: Recipe) -> None:
    """Refuse to decide by the time of a machine that is not like the function's.

    Raises:
        RecipeRefused: This machine has another architecture.
    """
    if not Settings.of(recipe, (), has_samples=False, target="cpu").is_timed:
        raise RecipeRefused(
            f"model.toml: model.target: auto measures the CPU, and this machine is not"
            f" {recipe.resources.architecture}",
            "build on one that is, or name cpu or gpu",
        )


def hold_and_place(
    graph: onnx.ModelProto,
    champion: Artifact,
    runs: Runs,
    recipe: Recipe,
    labels: tuple[str, ...],
    report: Report,
) -> tuple[Contest, Placement]:
    """Let candidates compete for the CPU, decide, and for a GPU let its own compete.

    Args:
        graph: The checked and normalised graph.
        champion: The graph as it is, optimised for the CPU.
        runs: Inputs with the original's answers.
        recipe: The recipe.
        labels: Its labels, read.
        report: Called as each part of the work begins.
    """
    contest = hold(graph, champion, runs, Settings.of(recipe, labels, runs.is_real, "cpu"), report)
    latency = contest.winner.latency_ms
    assert latency is not None, "what wins on a CPU was timed"
    memory_mib = recipe.resources.memory_mib
    median_ms, p95_ms = (in_function_ms(ms, memory_mib) for ms in (latency.median, latency.p95))
    placement = place(recipe, median_ms, p95_ms)
    if placement.target == "cpu":
        return contest, placement
    report(f"for a GPU, because {placement.reason}")
    contest.artifact.discard()
    champion = optimise(Candidate("fp32", graph), "gpu", champion.folder)
    return hold(graph, champion, runs, Settings.of(recipe, labels, runs.is_real, "gpu"), report), placement
