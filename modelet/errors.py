"""Everything the toolchain refuses, as one tree.

Refused
├── RecipeRefused       model.toml has an unknown key or a wrong value
├── SourceRefused       the source is not where the recipe says, or not what it says
│   └── GraphRefused    the ONNX graph may not or cannot be served
├── MissingExtra        a framework that is installed on demand is not there
├── OwnerCodeFailed     train.py or hooks.py raised
├── ProofFailed         the artifact does not answer as the original does
├── UnknownModel        no such model or version
├── MoveRefused         an alias may not move to that version
└── ServiceRefused      the service does not answer, or answers with an error

The command line prints the sentence and exits with 1.
"""


class Refused(Exception):
    """What is wrong in one sentence, and what to do about it.

    Attributes:
        reason: What is wrong; names the file, key, tensor or node.
        remedy: What to do next; empty where the reason says it already.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}: {remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy


class RecipeRefused(Refused):
    """`model.toml` has an unknown key or a wrong value; the reason begins with `file: key`."""


class SourceRefused(Refused):
    """The source, a hook, an asset or a sample is not there or not what the recipe says."""


class GraphRefused(SourceRefused):
    """The ONNX graph is broken, unsafe, too large or of a kind that a function cannot serve."""


class MissingExtra(Refused):
    """A framework that is installed on demand is not there."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed", f"run `pip install 'modelet[{extra}]'` and build again"
        )
        self.extra = extra


class OwnerCodeFailed(Refused):
    """The owner's own code raised, ended its process, or returned what cannot be used.

    Attributes:
        output: The end of what the code printed, with the traceback if there is one.
    """

    def __init__(self, reason: str, remedy: str = "", output: str = "") -> None:
        super().__init__(reason, remedy)
        self.output = output


class ProofFailed(Refused):
    """The artifact does not answer as the original does, so no version was written."""


class PassportMissing(Refused):
    """A version has no passport, or one of an earlier form."""


class UnknownModel(Refused):
    """There is no such model or version."""


class MoveRefused(Refused):
    """An alias may not move there: the version is not built, not proven, or breaks callers."""


class ServiceRefused(Refused):
    """The service does not answer, or answers with an error."""
