"""Thrift's compact protocol, as far as Parquet's footers need it: a tree that is read, changed and written.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

import struct
from dataclasses import dataclass
from typing import Any

from modelet_runtime.batch.errors import InputRefused

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(1, 14)
_FIXED_BYTES = {_DOUBLE: 8, _UUID: 16}
_MAX_DEPTH = 24
_MAX_VALUES = 4_000_000


@dataclass(slots=True)
class Struct:
    """A struct: type and value by field id."""

    fields: dict[int, tuple[int, Any]]

    def get(self, number: int) -> Any:
        """A field's value, or None."""
        found = self.fields.get(number)
        return None if found is None else found[1]

    def set_i64(self, number: int, value: int) -> None:
        """Give a field an integer."""
        self.fields[number] = (_I64, value)

    def drop(self, *numbers: int) -> None:
        """Leave fields out."""
        for number in numbers:
            self.fields.pop(number, None)


@dataclass(slots=True)
class List:
    """A list: the elements' type and the elements."""

    kind: int
    items: list[Any]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._values = 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 70:
                raise ValueError("a number of more than 64 bits")

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _take(self, count: int) -> bytes:
        data = self._data[self._at : self._at + count]
        if len(data) != count:
            raise ValueError("it ends early")
        self._at += count
        return data

    def value(self, kind: int, depth: int) -> Any:
        self._values += 1
        if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise ValueError("it is nested too deeply or has too many values")
        if kind in (_I16, _I32, _I64):
            return self.zigzag()
        if kind == _BINARY:
            return self._take(self.varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth + 1)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind not in _FIXED_BYTES:
            raise ValueError(f"type {kind}")
        return self._take(_FIXED_BYTES[kind])

    def _list(self, depth: int) -> List:
        head = self._byte()
        count, kind = head >> 4, head & 0x0F
        if count == 15:
            count = self.varint()
        return List(kind, [self.value(kind, depth) for _ in range(count)])

    def struct(self, depth: int = 0) -> Struct:
        fields: dict[int, tuple[int, Any]] = {}
        number = 0
        while head := self._byte():
            kind, delta = head & 0x0F, head >> 4
            number = number + delta if delta else self.zigzag()
            fields[number] = (kind, None if kind in (_TRUE, _FALSE) else self.value(kind, depth))
        return Struct(fields)


def read(data: bytes) -> Struct:
    """Read a struct.

    Raises:
        InputRefused: (400) It is none.
    """
    try:
        return _Reader(data).struct()
    except (ValueError, IndexError) as error:
        raise InputRefused(f"parquet footer: {error}") from error


def write(value: Struct) -> bytes:
    """Write a struct."""
    out = bytearray()
    _write_struct(out, value)
    return bytes(out)


def _varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _zigzag(out: bytearray, value: int) -> None:
    _varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _write_struct(out: bytearray, value: Struct) -> None:
    last = 0
    for number in sorted(value.fields):
        kind, content = value.fields[number]
        delta = number - last
        if 0 < delta <= 15:
            out.append(delta << 4 | kind)
        else:
            out.append(kind)
            _zigzag(out, number)
        last = number
        if kind not in (_TRUE, _FALSE):
            _write_value(out, kind, content)
    out.append(0)


def _write_value(out: bytearray, kind: int, content: Any) -> None:
    if kind in (_I16, _I32, _I64):
        _zigzag(out, content)
    elif kind == _BINARY:
        _varint(out, len(content))
        out += content
    elif kind == _STRUCT:
        _write_struct(out, content)
    elif kind in (_LIST, _SET):
        count = len(content.items)
        if count < 15:
            out.append(count << 4 | content.kind)
        else:
            out.append(0xF0 | content.kind)
            _varint(out, count)
        for item in content.items:
            _write_value(out, content.kind, item)
    elif kind in (_TRUE, _FALSE, _BYTE):
        out += struct.pack("B", content)
    else:
        out += content
