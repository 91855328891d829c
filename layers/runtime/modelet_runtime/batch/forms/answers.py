"""Answers as records and cells: what the writers of tables have in common."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from modelet_runtime.batch.errors import RunFailed
from modelet_runtime.batch.forms.base import Results
from modelet_runtime.steps.base import Answer
from modelet_runtime.steps.plain import to_value
from modelet_runtime.tensor import Tensor

PREDICTION = "prediction"


def answers_of(results: Results) -> Sequence[Answer]:
    """One answer per row as the online route gives it; None where the row failed."""
    if results.answers is not None:
        return results.answers
    assert results.outputs is not None
    columns = [_rows(tensor) for tensor in results.outputs]
    if len(columns) == 1:
        answers = list(columns[0])
    else:
        names = [tensor.name for tensor in results.outputs]
        answers = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for row in results.failures:
        answers[row] = None
    return answers


def _rows(tensor: Tensor) -> list[Any]:
    if not tensor.shape[0]:
        return []
    rows: list[Any] = to_value(tensor)
    return rows


def records_of(results: Results) -> Iterator[dict[str, Any]]:
    """One record per row: the columns that are kept, then those of the answer, one level deep."""
    answers = answers_of(results)
    kept = results.kept if results.kept is not None else [{}] * results.rows
    for row, answer in zip(kept, answers, strict=True):
        yield {**row, **_named(answer)}


def _named(answer: Answer) -> Mapping[str, Any]:
    if answer is None:
        return {}
    if isinstance(answer, dict):
        return answer
    if isinstance(answer, (list, tuple)) and not any(
        isinstance(item, (list, tuple, dict)) for item in answer
    ):
        return {str(index): item for index, item in enumerate(answer)}
    return {PREDICTION: answer}


def column_names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of some records, in the order in which they come."""
    return list(dict.fromkeys(name for record in records for name in record))


def check_columns(names: Sequence[str], records: Sequence[Mapping[str, Any]], first: int) -> None:
    """Refuse answers that have other columns than those the file began with.

    Raises:
        RunFailed: A record has a column that the others did not have.
    """
    known = set(names)
    for row, record in enumerate(records, first):
        if other := [name for name in record if name not in known]:
            raise RunFailed(
                f"row {row}: its answer has {', '.join(other)[:200]}, which no answer before it had: "
                'tables have fixed columns, so ask for format = "jsonl"'
            )


def to_cell(value: Any) -> Any:
    """A value of a table: what is nested becomes JSON."""
    return orjson.dumps(value, default=str).decode() if isinstance(value, (dict, list, tuple)) else value
