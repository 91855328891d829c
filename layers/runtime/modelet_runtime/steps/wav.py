"""WAV files, without a copy of what they hold: uncompressed samples of any usual width."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.tensor import DATATYPES, Datatype

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# The rest of the identifiers of formats that begin with the number of an older one.
# Source: https://learn.microsoft.com/en-us/windows/win32/api/mmreg/ns-mmreg-waveformatextensible
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_MOST_CHANNELS = 32
_RATES = range(1_000, 768_001)
_WANTED = "a WAV of 8, 16, 24 or 32 bits, or of floats"


@dataclass(frozen=True, slots=True)
class Sound:
    """What a WAV file holds.

    Attributes:
        rate: Samples per second.
        channels: How many.
        datatype: Of the samples in `data`.
        full_scale: The sample that stands for 1.0.
        zero: The sample that stands for 0.0.
        data: The samples, channel by channel within each moment.
    """

    rate: int
    channels: int
    datatype: Datatype
    full_scale: float
    zero: int
    data: memoryview

    @property
    def frames(self) -> int:
        """How many moments it lasts."""
        return len(self.data) // (self.channels * self.datatype.size)


def read(body: bytes | memoryview, field: str) -> Sound:
    """Read a WAV file.

    Args:
        body: The file.
        field: What errors call it.

    Raises:
        InvalidRequest: (400) It is none, is cut off, or holds another kind of samples.
    """
    chunks = dict(_chunks(memoryview(body), field))
    if "fmt " not in chunks or "data" not in chunks:
        raise InvalidRequest(
            field, _WANTED, f"one without its '{'data' if 'fmt ' in chunks else 'fmt '}' part"
        )
    header, data = chunks["fmt "], chunks["data"]
    if len(header) < 16:
        raise InvalidRequest(field, _WANTED, "one whose 'fmt ' part is cut off")
    kind, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", header)
    if kind == _EXTENSIBLE and len(header) >= 40 and bytes(header[26:40]) == _GUID_TAIL:
        kind = int.from_bytes(header[24:26], "little")
    if not 1 <= channels <= _MOST_CHANNELS:
        raise InvalidRequest(field, f"1 to {_MOST_CHANNELS} channels", str(channels))
    if rate not in _RATES:
        raise InvalidRequest(field, f"{_RATES.start} to {_RATES.stop - 1} samples per second", str(rate))
    if block * 8 != channels * bits:
        raise InvalidRequest(field, _WANTED, f"{channels} channels of {bits} bits in {block} bytes")
    datatype, full_scale, zero = _format(kind, bits, field)
    whole = data[: len(data) // block * block]
    return Sound(rate, channels, datatype, full_scale, zero, _widened(whole) if bits == 24 else whole)


def _chunks(body: memoryview, field: str) -> Iterator[tuple[str, memoryview]]:
    """The parts of the file, up to the samples."""
    if bytes(body[:4]) != b"RIFF" or bytes(body[8:12]) != b"WAVE":
        raise InvalidRequest(field, _WANTED, "other data")
    position = 12
    while position + 8 <= len(body):
        name, size = struct.unpack_from("<4sI", body, position)
        content = body[position + 8 : position + 8 + size]
        # Who writes into a pipe does not know the size, and leaves the largest there is.
        if len(content) < size and not (name == b"data" and size >= 0x7FFF_F000):
            raise InvalidRequest(field, "a whole WAV", f"one that ends {size - len(content)} bytes early")
        yield name.decode("latin-1"), content
        if name == b"data":
            return
        position += 8 + size + size % 2


def _format(kind: int, bits: int, field: str) -> tuple[Datatype, float, int]:
    """The datatype, the sample that stands for 1.0, and the one that stands for silence."""
    formats: dict[tuple[int, int], tuple[str, float, int]] = {
        (_PCM, 8): ("UINT8", 128.0, 128),
        (_PCM, 16): ("INT16", 2.0**15, 0),
        (_PCM, 24): ("INT32", 2.0**31, 0),
        (_PCM, 32): ("INT32", 2.0**31, 0),
        (_FLOAT, 32): ("FP32", 1.0, 0),
        (_FLOAT, 64): ("FP64", 1.0, 0),
    }
    if (kind, bits) not in formats:
        raise InvalidRequest(field, _WANTED, f"format {kind} of {bits} bits")
    name, full_scale, zero = formats[kind, bits]
    return DATATYPES[name], full_scale, zero


def _widened(data: memoryview) -> memoryview:
    """24 bits as the upper ones of 32."""
    wide = bytearray(len(data) // 3 * 4)
    for byte in range(3):
        wide[byte + 1 :: 4] = data[byte::3]
    return memoryview(bytes(wide))
