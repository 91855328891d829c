"""The licences of everything a layer ships, as files in the image and as one list."""

from collections.abc import Iterable

from modelet.packaging.wheels import Wheel

FOLDER = "opt/licenses"


def collect(layer: str, wheels: Iterable[Wheel]) -> dict[str, bytes]:
    """Licence files of the wheels, and a list of them, by path in the image.

    Args:
        layer: The layer's name; each layer has a list of its own, as layers are taken separately.
        wheels: What the layer was assembled from.
    """
    files: dict[str, bytes] = {}
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
    files[f"{FOLDER}/{layer}.md"] = ("\n".join(rows) + "\n").encode()
    return files
