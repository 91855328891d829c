"""What guarding weights against saturation costs and spares, measured on the winner's own formula."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from modelet.build.quantise.accuracy import Accuracy, Answers, compare
from modelet.build.quantise.engine import Binding, Feed
from modelet.build.quantise.formula import Formula
from modelet.build.quantise.quantiser import Quantiser
from modelet.build.quantise.saturation import Exposure, Guard

_GUARDS: tuple[Guard, ...] = ("pairs", "7bit", "none")
_MOST_RUNS = 64


@dataclass(frozen=True, slots=True)
class Protection:
    """The same model with its weights guarded in other ways, on this machine.

    Attributes:
        exposure: How many pairs of weights would overflow on a CPU without VNNI if nothing guarded them.
        accuracies: By guard: `pairs` is ours, `7bit` is `reduce_range`, `none` is right only with VNNI.
    """

    exposure: Exposure
    accuracies: dict[Guard, Accuracy]

    def to_dict(self) -> dict[str, object]:
        """For the passport."""
        return {
            **asdict(self.exposure),
            "accuracy_by_guard": {guard: found.to_dict() for guard, found in self.accuracies.items()},
        }


def protection(
    quantiser: Quantiser, formula: Formula, feeds: Sequence[Feed], expected: Answers
) -> Protection:
    """Count the pairs at risk and try the other guards.

    Args:
        quantiser: The model.
        formula: An int8 formula with a guard.
        feeds: Evaluation samples.
        expected: The original's answers to them.
    """
    few = feeds[:_MOST_RUNS]
    accuracies = {}
    for guard in _GUARDS:
        graph = quantiser.make(replace(formula, guard=guard))
        accuracies[guard] = compare(expected[: len(few)], Binding(graph, "all").run_all(few))
    return Protection(quantiser.exposure(formula), accuracies)
