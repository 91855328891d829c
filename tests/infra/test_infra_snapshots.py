"""One snapshot per stack, so that a review sees what a change does to the cloud.

`pytest tests/infra --snapshot-update` writes them anew.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from support.assemblies import Assembly
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

# Every kind of stack as `prod` has it; then what only other settings make.
STACKS = [
    ("prod", "shared"),
    ("prod", "jobs"),
    ("prod", "batch"),
    ("prod", "model-tabular-risk"),
    ("prod", "model-file-type"),
    ("prod", "model-digit-image"),
    ("prod", "catalog"),
    ("prod", "front-door-0"),
    ("prod", "overview"),
    ("keys", "shared"),
    ("keys", "batch"),
    ("keys", "model-tabular-risk"),
    ("keys", "model-file-type"),
    ("keys", "catalog"),
    ("keys", "front-door-0"),
    ("tokens", "shared"),
    ("rest", "front-door-0"),
    ("gpu", "jobs"),
    ("gpu", "endpoint-vision"),
    ("gpu", "model-mlp-torch"),
    ("gpu", "model-image-label"),
    ("gpu", "model-sound-text"),
]

# Bytes of ours and of the CDK's make these; the snapshot is about what is deployed, not about them.
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_VERSION = re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}")
_DEPLOYMENT = re.compile(r"(Deployment[0-9A-F]{8})[0-9a-f]{32}")


def normalised(template: Any) -> Any:
    text = json.dumps(template)
    text = _DIGEST.sub("<digest>", text)
    text = _VERSION.sub(r"\1<version>", text)
    return json.loads(_DEPLOYMENT.sub(r"\1<deployment>", text))


@pytest.mark.parametrize(("variant", "part"), STACKS)
def test_stack(variant: str, part: str, assembly_of: Callable[[str], Assembly], snapshot: SnapshotAssertion):
    template = assembly_of(variant).template(part)
    assert normalised(template) == snapshot(extension_class=JSONSnapshotExtension)


def kind(part: str) -> str:
    """`model`, `endpoint` and `front-door` stand for all of their kind."""
    return next((kind for kind in ("model", "endpoint", "front-door") if part.startswith(f"{kind}-")), part)


def test_every_kind_of_stack_has_a_snapshot(any_assembly: Assembly):
    assert {kind(part) for part in any_assembly.parts} <= {kind(part) for _, part in STACKS}
