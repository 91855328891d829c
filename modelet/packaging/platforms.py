"""The machines and the interpreter that images are built for."""

from enum import StrEnum

# The interpreter of the base image in functions/predict/Dockerfile: what wheels and bytecode must fit.
PYTHON_VERSION = "3.13"
# `importlib.util.MAGIC_NUMBER` of every 3.13.x: the first bytes of the bytecode it takes.
BYTECODE_MAGIC = b"\xf3\r\r\n"
# The C library of AWS's base image (Amazon Linux 2023) is glibc 2.34.
GLIBC_MINOR = 34
_OLDEST_GLIBC_MINOR = 5


class Architecture(StrEnum):
    """A machine as Lambda names it."""

    X86_64 = "x86_64"
    ARM64 = "arm64"

    @property
    def oci_platform(self) -> str:
        """The name that docker and its kin take."""
        return {Architecture.X86_64: "linux/amd64", Architecture.ARM64: "linux/arm64"}[self]

    @property
    def wheel_platforms(self) -> list[str]:
        """Platform tags of wheels that run on the base image, newest first."""
        machine = {Architecture.X86_64: "x86_64", Architecture.ARM64: "aarch64"}[self]
        glibc = [
            f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)
        ]
        return [*glibc, f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}"]
