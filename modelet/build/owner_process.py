"""The other end of `modelet.build.owner`: imports the owner's files, calls their functions, answers."""

import importlib.util
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from modelet.build.arrays import to_tensor
from modelet.build.blame import place
from modelet.build.converters import CONVERTERS, converter_for
from modelet.build.framing import receive, send
from modelet.build.original import Original
from modelet.errors import OwnerCodeFailed, Refused
from modelet.tensor_json import from_json, to_json


class Worker:
    """Answers the questions of one build, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._modules: dict[str, ModuleType] = {}
        self._original: Original | None = None

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is asked; whatever the owner's code raises becomes `{"error": ...}`."""
        try:
            return self._do(question)
        except Refused as error:
            return {"error": error.reason, "remedy": error.remedy}
        except ModuleNotFoundError as error:
            return {"module": error.name, **_failure(question, error)}
        except Exception as error:
            return _failure(question, error)

    def _do(self, question: Mapping[str, Any]) -> dict[str, Any]:
        match question["do"]:
            case "build":
                self._original = self._built(question)
                return {"kind": self._original.kind}
            case "samples":
                return {"rows": _rows(question["function"], self._function(question["function"])())}
            case "export":
                graph = self._kept().export().SerializeToString(deterministic=True)
                Path(question["path"]).write_bytes(graph)
                return {}
            case _:
                inputs = [from_json(tensor) for tensor in question["inputs"]]
                return {"outputs": [to_json(tensor) for tensor in self._kept().run(inputs)]}

    def _built(self, question: Mapping[str, Any]) -> Original:
        """What a function returns or a file holds; weights go into the module that another function makes."""
        module = self._function(question["module"])() if question["module"] else None
        if question["path"]:
            converter = CONVERTERS[question["kind"]]
            model = converter.read(Path(question["path"]), module, question["unused"])
        else:
            model = self._function(question["function"])()
            converter = converter_for(model if module is None else module, question["function"])
            if module is not None:
                model = converter.read(model, module, question["unused"])
        return converter.open(model, question["export"])

    def _kept(self) -> Original:
        assert self._original is not None, "build comes first"
        return self._original

    def _function(self, name: str) -> Callable[[], Any]:
        """Find `file.py:function`; a file is imported once, so its functions share their state."""
        file, _, attribute = name.partition(":")
        if file not in self._modules:
            self._modules[file] = _import(self._folder / file)
        function = getattr(self._modules[file], attribute, None)
        if not callable(function):
            raise OwnerCodeFailed(f"{name}: {file} has no function '{attribute}'")
        return function  # type: ignore[no-any-return]


def _import(path: Path) -> ModuleType:
    if not path.is_file():
        raise OwnerCodeFailed(f"{path.name} is not in the model's folder")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # classes defined in the file look their module up by name
    spec.loader.exec_module(module)
    return module


def _rows(function: str, samples: Any) -> list[dict[str, Any]]:
    """A list, an array's first axis or a table's rows, as `{"tensor": ...}` or `{"record": {...}}`."""
    if hasattr(samples, "to_dict"):
        samples = samples.to_dict(orient="records")
    if not isinstance(samples, list | tuple | np.ndarray) or not len(samples):
        raise OwnerCodeFailed(
            f"{function} returned {type(samples).__name__}", "return a list of inputs, one per row"
        )
    return [_row(function, sample) for sample in samples]


def _row(function: str, sample: Any) -> dict[str, Any]:
    try:
        if isinstance(sample, Mapping):
            tensors = {str(name): to_tensor(str(name), np.asarray(value)) for name, value in sample.items()}
            return {"record": {name: to_json(tensor) for name, tensor in tensors.items()}}
        return {"tensor": to_json(to_tensor("sample", np.asarray(sample)))}
    except ValueError as error:
        raise OwnerCodeFailed(
            f"{function} returned a {type(sample).__name__} that is no array: {error}"
        ) from error


def _failure(question: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    traceback.print_exc()
    where = question.get("function") or question.get("module") or "the model"
    return {"error": f"{where} raised {type(error).__name__}: {error}{place(error)}", "remedy": ""}


def main() -> None:
    """Answer on the socket whose descriptor is the first argument, until the other side closes it."""
    folder = Path.cwd()
    sys.path.insert(0, str(folder))
    worker = Worker(folder)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        os.set_inheritable(connection.fileno(), False)
        while True:
            try:
                question = json.loads(receive(connection))
            except EOFError:
                return
            answer = worker.answer(question)
            sys.stdout.flush()
            send(connection, json.dumps(answer).encode())


if __name__ == "__main__":
    main()
