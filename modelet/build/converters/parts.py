"""Walking through a fitted scikit-learn estimator: what it is made of, and what answers in the end."""

from collections.abc import Iterator
from typing import Any


def parts(estimator: Any) -> Iterator[Any]:
    """The estimator and all that scikit-learn fitted inside of it, each once, outermost first."""
    waiting, seen = [estimator], {id(estimator)}
    while waiting:
        part = waiting.pop(0)
        yield part
        for inner in children(part):
            if id(inner) not in seen:
                seen.add(id(inner))
                waiting.append(inner)


def children(estimator: Any) -> Iterator[Any]:
    """The objects of scikit-learn that an estimator holds, also in lists and tuples of its attributes."""
    waiting = list(getattr(estimator, "__dict__", {}).values())
    for value in waiting:
        if isinstance(value, list | tuple):
            waiting.extend(value)
        elif type(value).__module__.startswith(("sklearn.", "skl2onnx.")):
            yield value


def searched(estimator: Any) -> Any:
    """The estimator that a finished search over parameters answers with; any other is itself."""
    return getattr(estimator, "best_estimator_", estimator)


def head(estimator: Any) -> Any:
    """The first step of a pipeline, however deep."""
    steps = getattr(estimator, "steps", None)
    return head(steps[0][1]) if steps else estimator


def last(estimator: Any) -> Any:
    """The last step of a pipeline, however deep."""
    steps = getattr(estimator, "steps", None)
    return last(steps[-1][1]) if steps else estimator
