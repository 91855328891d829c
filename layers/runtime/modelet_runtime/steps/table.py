"""Rows of a table to the graph's inputs, by the names of their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar, Literal

from modelet_runtime.errors import DatatypeMismatch, InvalidRequest
from modelet_runtime.steps.base import Encode, Encoded, InputStep, Model, Value
from modelet_runtime.steps.column import Column
from modelet_runtime.steps.fields import misfit
from modelet_runtime.tensor import DATATYPES, Tensor

# What pandas takes for a missing value in CSV.
# Source: https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html (na_values)
_PANDAS: tuple[str, ...] = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)


@dataclass(frozen=True, slots=True)
class Table(InputStep):
    """Take records, columns or CSV by name, and fill in what is missing.

    A body is one record or many: `{"age": 39, "job": "clerk"}`, a list of such, `{"age": [39, 50], "job":
    ["clerk", "cook"]}`, CSV with a header, or without one in the order of the columns. A number that is
    missing and has no `fill` is NaN where the graph takes floats; other missing values are refused.

    Attributes:
        columns: In the order of the features; a list for a graph of one input, and for one of several a
            table `{ input = ["column", ...] }`. By default every input is a column of its own name.
        fill: What stands in for a missing value, by column.
        missing: What a cell of CSV says when a value is missing; by default what pandas knows.
        absent: Whether a record without a column is refused, or the column counts as missing.
        unknown: Whether a record with further columns is refused, or these are passed over.
        categories: The texts a column may have. Where the graph takes a number, it gets the text's place
            in this list.
        unseen: Whether another text than those is refused or counts as missing.
    """

    columns: tuple[str, ...] | Mapping[str, tuple[str, ...]] = ()
    fill: Mapping[str, str | float | bool] = field(default_factory=dict)
    missing: tuple[str, ...] = _PANDAS
    absent: Literal["refuse", "missing"] = "refuse"
    unknown: Literal["refuse", "ignore"] = "refuse"
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unseen: Literal["refuse", "missing"] = "refuse"

    layers: ClassVar[tuple[str, ...]] = ()

    def media_types(self, model: Model) -> tuple[str, ...]:
        """Records and tables; arrays where every column is a number."""
        is_numeric = not self.categories and all(x.datatype != "BYTES" for x in model.inputs.values())
        return ("application/json", "text/csv", *(("application/x-npy",) if is_numeric else ()))

    def rows(self, document: Value) -> Sequence[Value] | None:
        """Lists of records and of rows, and columns."""
        if isinstance(document, list) and document and all(type(row) in (dict, list) for row in document):
            return document
        if type(document) is dict and document and all(type(cells) is list for cells in document.values()):
            return _transposed(document)
        return None

    def bind(self, model: Model) -> Encode:
        """Pair the columns with the graph's inputs."""
        inputs = self._inputs(model)
        names = [name for columns in inputs.values() for name in columns]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise misfit("table", f"columns: '{repeated[0]}' is there twice")
        for parameter in ("fill", "categories"):
            if unknown := sorted(set(getattr(self, parameter)) - set(names)):
                raise misfit("table", f"{parameter}: there is no column '{unknown[0]}': {', '.join(names)}")
        return _Rows(self, model, inputs)

    def _inputs(self, model: Model) -> dict[str, tuple[str, ...]]:
        """The columns of each input."""
        if isinstance(self.columns, Mapping):
            inputs = dict(self.columns)
        elif self.columns and len(model.inputs) == 1:
            inputs = dict.fromkeys(model.inputs, self.columns)
        else:
            inputs = {name: (name,) for name in self.columns or model.inputs}
        if set(inputs) != set(model.inputs):
            raise misfit(
                "table", f"columns: expected inputs {', '.join(model.inputs)}, got {', '.join(inputs)}"
            )
        for name, columns in inputs.items():
            shape = model.inputs[name].shape
            if prod(shape) not in (len(columns), -1):
                raise misfit(
                    "table", f"columns: input '{name}' takes {list(shape)}, got {len(columns)} columns"
                )
        return {name: inputs[name] for name in model.inputs}


class _Rows:
    """Encodes rows of a table."""

    def __init__(self, step: Table, model: Model, inputs: Mapping[str, tuple[str, ...]]) -> None:
        self._step = step
        self._specs = model.inputs
        self._inputs = {
            name: [Column.of(step, column, model.inputs[name].datatype) for column in columns]
            for name, columns in inputs.items()
        }
        self._names = [column.name for columns in self._inputs.values() for column in columns]
        self._known = frozenset(self._names)

    def __call__(self, value: Value) -> Value:
        """Turn a record, or values in the order of the columns, into the graph's inputs.

        Raises:
            InvalidRequest: (400) A column is absent, unknown or missing its value, or has another type.
        """
        record = self._record(value)
        return Encoded({name: self._tensor(name, columns, record) for name, columns in self._inputs.items()})

    def _record(self, value: Value) -> Mapping[str, Value]:
        if isinstance(value, Mapping):
            unknown = value.keys() - self._known
            if unknown and self._step.unknown == "refuse":
                listed = ", ".join(self._names)[:200]
                raise InvalidRequest("record", f"the columns {listed}", f"'{min(map(str, unknown))}'"[:80])
            if self._step.absent == "refuse":
                for name in self._names:
                    if name not in value:
                        given = ", ".join(map(str, value)) or "no columns"
                        raise InvalidRequest(f"column '{name}'", "a value", f"only {given}"[:120])
            return value
        values = list(value.values()) if isinstance(value, Tensor) else value
        if isinstance(values, (list, tuple)) and len(values) == len(self._names):
            return dict(zip(self._names, values, strict=True))
        actual = f"{len(values)} values" if isinstance(values, (list, tuple)) else type(value).__name__
        raise InvalidRequest("record", f"the columns {', '.join(self._names)}", actual)

    def _tensor(self, name: str, columns: Sequence[Column], record: Mapping[str, Value]) -> Tensor:
        spec = self._specs[name]
        values = [column.read(record.get(column.name)) for column in columns]
        shape = tuple(len(columns) if size == -1 else size for size in spec.shape)
        try:
            return Tensor.from_values(name, DATATYPES[spec.datatype], shape, values)
        except DatatypeMismatch:
            for column, value in zip(columns, values, strict=True):
                column.check_range(value)
            raise


def _transposed(document: Mapping[str, list[Value]]) -> list[Value]:
    counts = {name: len(cells) for name, cells in document.items()}
    first = next(iter(counts.values()))
    for name, count in counts.items():
        if count != first:
            raise InvalidRequest(f"column '{name}'", f"{first} values, as in the first column", str(count))
    return [dict(zip(document, cells, strict=True)) for cells in zip(*document.values(), strict=True)]
