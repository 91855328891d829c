"""A standard model repository: the folder that a Triton server is started over.

<repository>/<model>/config.pbtxt           how it is served
<repository>/<model>/<version>/model.onnx   the graph
<repository>/<model>/warmup/                inputs the server runs before it is ready

Source: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from modelet.golden import Case, Golden
from modelet.repository import Version
from modelet.triton import config
from modelet.triton.config import Device, Message, Value, datatype
from modelet_runtime.manifest import ONNX_FILE, Endpoint, Manifest
from modelet_runtime.protocols.open_inference_binary import write_tensor
from modelet_runtime.stacking import split

FOLDER = "triton"
_WARM_UP = "warmup"
_FOLDER_MODE = 0o755


def settle(version: Version) -> Path:
    """The repository of a built version, in its folder; written if it is not there.

    It is made of files that the manifest has digests of, so it is neither committed nor digested itself.

    Returns:
        The folder that a server is started over.
    """
    repository = version.folder / FOLDER
    if not repository.is_dir():
        staged = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=version.folder))
        try:
            cases = Golden.load(version.folder).cases
            write(staged, version.manifest, version.folder / ONNX_FILE, cases)
            staged.chmod(_FOLDER_MODE)
            staged.rename(repository)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return repository


def write(
    repository: Path, manifest: Manifest, graph: Path, cases: Sequence[Case], device: Device = "gpu"
) -> Path:
    """Add a version to a repository.

    Args:
        repository: The folder, which may hold other models.
        manifest: The version.
        graph: Its graph, which is copied.
        cases: Golden inputs; the server runs the first of them before it is ready.
        device: What the graph runs on.

    Returns:
        The model's folder.
    """
    folder = repository / manifest.name
    version = folder / str(manifest.version)
    version.mkdir(parents=True)
    shutil.copyfile(graph, version / config.GRAPH_FILE)
    warm_up = _warm_up(folder / _WARM_UP, manifest, cases[0]) if cases else []
    (folder / config.FILE_NAME).write_text(config.configuration(manifest, warm_up, device))
    return folder


def _warm_up(folder: Path, manifest: Manifest, case: Case) -> list[Message]:
    """Write the first row of a case, and have it run alone and as often as a batch has rows."""
    folder.mkdir()
    batched = manifest.signature.has_batch_axis
    inputs: list[Value] = []
    for tensor in case.inputs:
        row = split([tensor], tensor.shape[0])[0][tensor.name] if batched else tensor
        (folder / tensor.name).write_bytes(b"".join(write_tensor(row)))
        dims: list[Value] = list(row.shape) or [1]
        value: Message = {
            "data_type": datatype(tensor.datatype.name),
            "dims": dims,
            "input_data_file": tensor.name,
        }
        inputs.append({"key": tensor.name, "value": value})
    endpoint = manifest.endpoint or Endpoint()
    largest = max(endpoint.preferred_batch_sizes, default=endpoint.max_batch_size)
    sizes = dict.fromkeys([1, largest] if batched else [1])
    return [{"name": f"golden-{size}", "batch_size": size, "inputs": inputs} for size in sizes]
