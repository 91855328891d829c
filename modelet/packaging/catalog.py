"""What the catalog function's zip archive holds: its handlers, the runtime, and the wheels both import.

It is no image, as it belongs to no model; `infra/` adds the manifests it speaks of. With bytecode, as an
archive's folder is read-only too: see decision 0151.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from modelet.packaging import licenses
from modelet.packaging.archive import Tree, unpack
from modelet.packaging.definition import Definition
from modelet.packaging.errors import LayerRefused
from modelet.packaging.layer import TASK, Workshop, below, digest_of
from modelet.packaging.platforms import Architecture
from modelet.packaging.wheels import Wheel, fetch

# Of the runtime layer's, whose patterns do not hold here: the event handler is what the catalog is for.
IMPORTS = ("aws-lambda-powertools", "jmespath", "orjson", "pybase64", "typing-extensions")


def stage(workshop: Workshop, architecture: Architecture, imports: Collection[str] = IMPORTS) -> Path:
    """Lay the archive's files out; gives the folder, which is the function's own.

    Args:
        workshop: Where the runtime comes from, and where the folder goes.
        architecture: The machine it runs on.
        imports: The packages it imports, all of which the runtime layer pins.

    Raises:
        LayerRefused: The runtime layer does not pin one of the wheels.
    """
    definition = Definition.load(workshop.root / "layers/runtime")
    folder = workshop.root / "functions/catalog"
    own = {f"catalog/{path.name}": path for path in sorted(folder.iterdir()) if path.is_file()}

    def tree() -> Tree:
        wheels = _chosen(fetch(definition.requirements, architecture, workshop.build / "wheels"), imports)
        imported: dict[str, bytes] = {}
        for wheel in wheels:
            imported |= wheel.select()
        return {
            **below(TASK, {**own, **definition.sources}),
            **below(TASK, imported),
            **below(TASK, licenses.collect("catalog", wheels, {})),
        }

    path = workshop.build / f"catalog-{architecture}.tar"
    inputs = digest_of([*definition.inputs, *own.values()], architecture)
    return unpack(workshop.kept(path, inputs, tree)) / TASK


def _chosen(wheels: Sequence[Wheel], imports: Collection[str]) -> list[Wheel]:
    chosen = [wheel for wheel in wheels if wheel.name in imports]
    if missing := sorted(set(imports) - {wheel.name for wheel in chosen}):
        raise LayerRefused(f"layers/runtime/requirements.txt: the catalog needs {', '.join(missing)}")
    return chosen
