"""The page that shows the models and lets people try them: one file, no request to anywhere else."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from catalog.index import Index

from modelet_runtime.manifest import Manifest, TensorSpec

_TEMPLATE = Path(__file__).with_name("page.html")
_SLOT = "{{models}}"


class Page:
    """The page, rendered once: the models do not change while a function lives.

    Args:
        index: What there is.
    """

    def __init__(self, index: Index) -> None:
        template = _TEMPLATE.read_text(encoding="utf-8")
        models = [_shown(manifest, index.latency_ms(manifest)) for manifest in index.live.values()]
        data = json.dumps(models, ensure_ascii=False)
        # No text of a model can end the element it stands in.
        self.html = template.replace(_SLOT, data.replace("<", "\\u003c"))
        self.headers = {
            "content-security-policy": _policy(template),
            "cache-control": "no-cache",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }


def _policy(template: str) -> str:
    """Only this page's own script and style run, and only this origin is called."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash_of('script', template)}",
            f"style-src {_hash_of('style', template)}",
            "connect-src 'self'",
            "img-src blob: data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _hash_of(element: str, template: str) -> str:
    """Source: https://www.w3.org/TR/CSP3/#framework-directive-source-list ."""
    found = re.search(rf"<{element}>(.*?)</{element}>", template, re.DOTALL)
    assert found is not None
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _shown(manifest: Manifest, latency_ms: float | None) -> dict[str, Any]:
    """What the page needs to know of a model."""
    size = manifest.files.get(manifest.graph.file)
    return {
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "target": manifest.target,
        "precision": manifest.graph.precision,
        "bytes": size.bytes if size else None,
        "memory_mib": manifest.resources.memory_mib,
        "latency_ms": latency_ms,
        "labels": len(manifest.labels),
        "steps": [step.name for step in manifest.input_steps],
        "has_batch_axis": manifest.signature.has_batch_axis,
        "inputs": [_tensor(spec) for spec in manifest.signature.inputs],
        "outputs": [_tensor(spec) for spec in manifest.signature.outputs],
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
