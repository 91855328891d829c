"""Where the parts of the house lie on disk."""

from pathlib import Path

from modelet.errors import Refused

MODELS = Path("model_artifacts")


def root() -> Path:
    """The checkout that holds `functions/` and `layers/`.

    Raises:
        Refused: modelet runs from an installed wheel, which has no functions to serve.
    """
    checkout = Path(__file__).resolve().parents[1]
    if not (checkout / "functions").is_dir():
        raise Refused(
            f"there is no functions/ folder beside {checkout}",
            "install modelet from its checkout, with `pip install --editable .`",
        )
    return checkout


def functions() -> Path:
    """What Lambda runs, one folder per function."""
    return root() / "functions"


def runtime_layer() -> Path:
    """The folder that holds the import package `modelet_runtime`: a function's `PYTHONPATH`."""
    return root() / "layers" / "runtime"


def distributed_map() -> Path:
    """The state machine that runs the parts of big batch inputs."""
    return functions() / "batch" / "distributed_map.asl.json"
