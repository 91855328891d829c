"""One column of the `table` step: what its values may be, and what stands in for missing ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from modelet_runtime.errors import DatatypeMismatch, InvalidRequest
from modelet_runtime.steps.base import Cell, Value
from modelet_runtime.steps.fields import misfit
from modelet_runtime.tensor import DATATYPES, Datatype, Tensor

if TYPE_CHECKING:
    from modelet_runtime.steps.table import Table

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Its name.
        datatype: What the graph takes.
        missing: What a cell says when its value is missing.
        fill: What stands in for a missing value; None if nothing does.
        places: Where the graph takes a number for a text: the number by text. Else the texts it may be.
        takes_unseen: Whether another text counts as missing.
    """

    name: str
    datatype: Datatype
    missing: frozenset[str]
    fill: Value
    places: Mapping[str, Value] | None
    takes_unseen: bool

    @classmethod
    def of(cls, step: "Table", name: str, datatype_name: str) -> "Column":
        """The column of that name as the step's parameters say.

        Raises:
            ArtifactError: What is to fill it in is no value of it.
        """
        datatype = DATATYPES[datatype_name]
        texts = step.categories.get(name)
        places: Mapping[str, Value] | None = None
        if texts is not None:
            is_text = datatype.name == "BYTES"
            places = {text: text if is_text else place for place, text in enumerate(texts)}
        column = cls(name, datatype, frozenset(step.missing), None, places, step.unseen == "missing")
        if name not in step.fill:
            return column
        try:
            fill = column.read(step.fill[name])
            column.check_range(fill)
        except InvalidRequest as error:
            raise misfit("table", f"fill: {error}") from error
        return cls(name, datatype, column.missing, fill, places, column.takes_unseen)

    def read(self, value: Value) -> Value:
        """The value as the graph's datatype takes it.

        Raises:
            InvalidRequest: (400) It is missing and nothing stands in for it, or is of another type.
        """
        if self._is_missing(value):
            return self._filled()
        if self.places is not None:
            if isinstance(value, str) and value in self.places:
                return self.places[value]
            if isinstance(value, str) and self.takes_unseen:
                return self._filled()
            raise self._wrong(f"one of {', '.join(self.places)}"[:120], value)
        expected, convert = _READERS[_family(self.datatype)]
        try:
            return convert(value)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise self._wrong(expected, value) from error

    def check_range(self, value: Value) -> None:
        """Refuse a value that the graph's datatype cannot hold.

        Raises:
            InvalidRequest: (400) It cannot.
        """
        try:
            Tensor.from_values(self.name, self.datatype, (1,), [value])
        except DatatypeMismatch as error:
            raise self._wrong(f"a value of {self.datatype.name}", value) from error

    def _is_missing(self, value: Value) -> bool:
        if value is None or (isinstance(value, float) and isnan(value)):
            return True
        if not isinstance(value, str) or value not in self.missing:
            return False
        # In JSON a text is what it says, unless the column has no texts.
        is_text = self.datatype.name == "BYTES" or self.places is not None
        return isinstance(value, Cell) or not is_text

    def _filled(self) -> Value:
        if self.fill is not None:
            return self.fill
        if self.datatype.is_float:
            return nan
        raise InvalidRequest(f"column '{self.name}'", "a value", "none")

    def _wrong(self, expected: str, value: Value) -> InvalidRequest:
        text = repr(str(value) if isinstance(value, Cell) else value)
        return InvalidRequest(
            f"column '{self.name}'", expected, text if len(text) <= 40 else f"{text[:40]}..."
        )


def _family(datatype: Datatype) -> str:
    if datatype.is_float:
        return "float"
    return {"BYTES": "text", "BOOL": "truth"}.get(datatype.name, "int")


def _number(value: Any) -> float:
    if isinstance(value, Cell):
        truth = _TRUTHS.get(value.lower())  # as a data frame of booleans is written
        return float(value) if truth is None else float(truth)
    if isinstance(value, (int, float)):
        return float(value)
    raise TypeError


def _integer(value: Any) -> int:
    if isinstance(value, Cell):
        try:
            return int(value)
        except ValueError:
            value = float(value)  # a table tool writes integers next to missing values as 3.0
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int):
        return int(value)
    raise TypeError


def _truth(value: Any) -> bool:
    if isinstance(value, Cell):
        return _TRUTHS[value.strip().lower()]
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    raise TypeError


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "float": ("a number", _number),
    "int": ("an integer", _integer),
    "truth": ("true or false", _truth),
    "text": ("a text", _text),
}
