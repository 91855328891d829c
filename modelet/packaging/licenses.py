"""The licences of everything a layer ships, as files in the image and as one list."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from modelet.packaging.errors import LayerRefused
from modelet.packaging.wheels import Wheel

FOLDER = "opt/licenses"


def collect(layer: str, wheels: Iterable[Wheel], texts: Mapping[str, Path]) -> dict[str, bytes]:
    """Licence files of the wheels, and a list of them, by path in the image.

    Args:
        layer: The layer's name; each layer has a list of its own, as layers are taken separately.
        wheels: What the layer was assembled from.
        texts: Licences of wheels that hold none, by `<package>/<file>`.

    Raises:
        LayerRefused: There is no licence for a wheel.
    """
    files = {f"{FOLDER}/{name}": path.read_bytes() for name, path in texts.items()}
    rows = [
        f"# What the layer `{layer}` ships",
        "",
        "| Package | Version | Licence | Wheel | sha256 |",
        "|---|---|---|---|---|",
    ]
    for wheel in wheels:
        rows.append(
            f"| {wheel.name} | {wheel.version} | {wheel.license} | {wheel.file_name} | {wheel.sha256} |"
        )
        for name, data in wheel.licenses().items():
            files[f"{FOLDER}/{wheel.name}/{name}"] = data
        if not any(name.startswith(f"{FOLDER}/{wheel.name}/") for name in files):
            raise LayerRefused(
                f"layer {layer}: {wheel.file_name} holds no licence text ({wheel.license})",
                f"put one into licenses/{wheel.name}/ in the layer's folder",
            )
    files[f"{FOLDER}/{layer}.md"] = ("\n".join(rows) + "\n").encode()
    return files
