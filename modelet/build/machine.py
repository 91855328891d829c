"""The machine a measurement was taken on: figures mean nothing without it."""

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides how fast and how exact a graph runs.

    Attributes:
        cpu: The processor's name.
        cpus: Visible processors.
        vnni: Whether it multiplies 8-bit integers without saturating, which int8 models need.
        architecture: `x86_64`, `aarch64`, ...
        system: The operating system's kernel.
        python: The interpreter's version.
    """

    cpu: str
    cpus: int
    vnni: bool
    architecture: str
    system: str
    python: str

    @classmethod
    def here(cls) -> "Machine":
        """This machine."""
        info = _CPUINFO.read_text() if _CPUINFO.exists() else ""
        lines = (line.partition(":") for line in info.splitlines())
        facts = {key.strip(): value.strip() for key, separator, value in lines if separator}
        flags = facts.get("flags", facts.get("Features", "")).split()
        return cls(
            facts.get("model name") or platform.processor() or "unknown",
            os.cpu_count() or 1,
            bool({"avx512_vnni", "avx_vnni", "asimddp"} & set(flags)),
            platform.machine(),
            platform.system(),
            platform.python_version(),
        )

    def to_dict(self) -> dict[str, object]:
        """For the passport."""
        return asdict(self)
