"""Makes files of ONNX Runtime's own format reproducible.

ONNX Runtime lays the kernel type table of an `.ort` file out in the order of a hash map that is seeded
by addresses, so two saves of one graph differ in some 2 KB at the front. Everything behind it is stable.
A flatbuffer is written from its end to its front, so the front can be written anew onto the same tail.

Source: onnxruntime/core/flatbuffers/schema/ort.fbs (InferenceSession, KernelTypeStrResolver)
"""

from collections.abc import Iterable

import flatbuffers
from flatbuffers.number_types import SOffsetTFlags
from flatbuffers.table import Table
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import (
    ArgTypeAndIndex,
    InferenceSession,
    KernelTypeStrArgsEntry,
    KernelTypeStrResolver,
    OpIdKernelTypeStrArgsEntry,
)

IDENTIFIER = b"ORTM"
_MAX_ALIGNMENT = 256

# Operator -> type parameter -> (input or output, index), as the kernel type table has it.
_Arguments = list[tuple[int, int]]
_Table = dict[bytes, dict[bytes, _Arguments]]


def canonical(data: bytes) -> bytes:
    """The same model with its kernel type table in a fixed layout.

    Args:
        data: A whole `.ort` file as ONNX Runtime wrote it.

    Raises:
        ValueError: The file is laid out in another way than this module knows.
    """
    session = InferenceSession.InferenceSession.GetRootAs(data, 0)
    model, resolver = session.Model(), session.KernelTypeStrResolver()
    if data[4:8] != IDENTIFIER or model is None or resolver is None:
        raise ValueError("not an ORT file with a model and a kernel type table")
    tail_start = _first_byte(model._tab)
    if resolver._tab.Pos > tail_start or session._tab.Pos > tail_start:
        raise ValueError("the model does not lie behind the kernel type table")
    builder = _continued(data[tail_start:], _alignment(len(data)))
    table = _write_table(builder, _read_table(resolver))
    version = builder.CreateString(session.OrtVersion())
    InferenceSession.Start(builder)
    InferenceSession.AddOrtVersion(builder, version)
    InferenceSession.AddModel(builder, len(data) - model._tab.Pos)
    InferenceSession.AddKernelTypeStrResolver(builder, table)
    builder.Finish(InferenceSession.End(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _first_byte(table: Table) -> int:
    """Where a table begins; a table that introduces its layout has it right in front of itself."""
    layout: int = table.Pos - table.Get(SOffsetTFlags, table.Pos)
    position: int = table.Pos
    return min(layout, position)


def _alignment(size: int) -> int:
    """What a file of this size may have been aligned to: the largest power of two that divides it."""
    return min(size & -size, _MAX_ALIGNMENT)


def _continued(tail: bytes, alignment: int) -> flatbuffers.Builder:
    """A builder that has written `tail` already; offsets count from the end, so they stay right."""
    capacity = len(tail) + (1 << 16)
    builder = flatbuffers.Builder(capacity)
    builder.Bytes[capacity - len(tail) :] = tail
    builder.head = capacity - len(tail)
    builder.minalign = alignment
    return builder


def _read_table(resolver: KernelTypeStrResolver.KernelTypeStrResolver) -> _Table:
    table: _Table = {}
    for i in range(resolver.OpKernelTypeStrArgsLength()):
        operator = resolver.OpKernelTypeStrArgs(i)
        types = table[operator.OpId()] = {}
        for j in range(operator.KernelTypeStrArgsLength()):
            entry = operator.KernelTypeStrArgs(j)
            arguments = (entry.Args(k) for k in range(entry.ArgsLength()))
            types[entry.KernelTypeStr()] = [(argument.ArgType(), argument.Index()) for argument in arguments]
    return table


def _write_table(builder: flatbuffers.Builder, table: _Table) -> int:
    operators = []
    for operator, types in sorted(table.items()):
        entries = [_write_entry(builder, name, arguments) for name, arguments in sorted(types.items())]
        vector = _write_vector(builder, entries)
        identifier = builder.CreateString(operator)
        OpIdKernelTypeStrArgsEntry.Start(builder)
        OpIdKernelTypeStrArgsEntry.AddOpId(builder, identifier)
        OpIdKernelTypeStrArgsEntry.AddKernelTypeStrArgs(builder, vector)
        operators.append(OpIdKernelTypeStrArgsEntry.End(builder))
    vector = _write_vector(builder, operators)
    KernelTypeStrResolver.Start(builder)
    KernelTypeStrResolver.AddOpKernelTypeStrArgs(builder, vector)
    return int(KernelTypeStrResolver.End(builder))


def _write_entry(builder: flatbuffers.Builder, name: bytes, arguments: _Arguments) -> int:
    offsets = []
    for kind, index in arguments:
        ArgTypeAndIndex.Start(builder)
        ArgTypeAndIndex.AddArgType(builder, kind)
        ArgTypeAndIndex.AddIndex(builder, index)
        offsets.append(ArgTypeAndIndex.End(builder))
    vector = _write_vector(builder, offsets)
    text = builder.CreateString(name)
    KernelTypeStrArgsEntry.Start(builder)
    KernelTypeStrArgsEntry.AddKernelTypeStr(builder, text)
    KernelTypeStrArgsEntry.AddArgs(builder, vector)
    return int(KernelTypeStrArgsEntry.End(builder))


def _write_vector(builder: flatbuffers.Builder, offsets: Iterable[int]) -> int:
    written = list(offsets)
    builder.StartVector(4, len(written), 4)
    for offset in reversed(written):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
