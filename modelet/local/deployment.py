"""The functions that are up, kept at what the models' folders say while requests come in.

A promote, a rollback and a new version count with the next request. A function that is no longer wanted
finishes what it has and ends; one that only lost its alias stays for those who name its version.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelet.local.fleet import Fleet, Shelf, catalog, predict
from modelet.local.function import Function
from modelet.local.process import FunctionSpec
from modelet.local.router import CATALOG, Serving, Target
from modelet.repository import VERSIONS, ModelFolder, Repository, Version
from modelet_runtime.aliases import FILE_NAME
from modelet_runtime.manifest import Manifest
from modelet_runtime.session import CPU
from modelet_runtime.settings import ENDPOINT

# Of a file or folder: which one it is, how long, and when it was last written. None is not there.
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Up:
    """A function that is up, and what it was made for."""

    manifest: Manifest
    function: Function


class Deployment(Mapping[str, Serving]):
    """What of each model answers, and the functions behind it.

    Looking a model up costs two calls to the file system, which tell whether anything changed.

    Args:
        repository: The models.
        scratch: Folder for the catalog's index.
        start: Makes a function; its processes start with requests.
        say: Told what changed, in a line.
        snap_start: Whether the manifests' wish for SnapStart is granted.
        about: What else a version's function is told by its environment.
        shared: What every function is told by its environment, the catalog too.
    """

    def __init__(
        self,
        repository: Repository,
        scratch: Path,
        start: Callable[[FunctionSpec], Function],
        say: Callable[[str], None],
        snap_start: bool = False,
        about: Callable[[Version], Mapping[str, str]] = lambda version: {},
        shared: Mapping[str, str] | None = None,
    ) -> None:
        self._repository = repository
        self._root = str(repository.root)
        self._scratch = scratch
        self._start = start
        self._say = say
        self._snap_start = snap_start
        self._about = about
        self._shared = shared or {}
        self._stamps: dict[str, tuple[Stamp, Stamp]] = {}
        self._shelves: dict[str, Shelf] = {}
        self._serving: dict[str, Serving] = {}
        self._up: dict[tuple[str, int], _Up] = {}
        self._functions: list[Function] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._indexes = 0
        self._is_closed = False
        for model in repository.models():
            self._stamps[model.name] = stamps(str(model.path))
            self._put(Shelf.of(model))
        self._catalog = self._new_catalog()

    def __getitem__(self, name: str) -> Serving:
        """What of a model answers now."""
        self._follow(name)
        return self._serving[name]

    def __iter__(self) -> Iterator[str]:
        """The models of which something answers."""
        return iter(self._serving)

    def __len__(self) -> int:
        """How many models have something that answers."""
        return len(self._serving)

    def function(self, target: Target) -> Function:
        """The function of what the router chose."""
        if target.model != CATALOG:
            return self._up[target.model, target.version].function
        for name in [*self._shelves]:
            self._follow(name)
        return self._catalog

    def named(self, name: str) -> Function:
        """The function of a version, by the name it has at Lambda.

        Raises:
            KeyError: There is none of that name.
        """
        for up in self._up.values():
            if up.function.spec.name == name:
                return up.function
        raise KeyError(name)

    async def publish(self) -> None:
        """Have every function take the snapshot that its manifest asks for."""
        await self._publish([*self._functions])

    async def close(self) -> None:
        """End all functions; what is under way fails."""
        self._is_closed = True
        for function in [*self._functions]:
            await function.close()
        await asyncio.gather(*self._tasks)

    def _follow(self, name: str) -> None:
        """Take over what changed in a model's folder since it was last looked at."""
        # A name comes from a URL: none but a plain word may become a path.
        if name not in self._shelves and not name.isidentifier():
            return
        found = stamps(f"{self._root}/{name}")
        if found == self._stamps.get(name, (None, None)):
            return
        model = ModelFolder(self._repository.root / name)
        self._stamps[name] = found
        before, after = self._shelves.get(name), Shelf.of(model)
        if after.standing.is_unreadable and before is not None and before.versions:
            self._say(f"{after.standing.troubles['live']}; going on as before")
            return
        if after == before:
            return
        old = self._catalog
        fresh = self._put(after)
        self._catalog = self._new_catalog()
        self._later(self._publish(fresh))
        self._retire(old)
        for line in after.changes(before):
            self._say(line)

    def _put(self, shelf: Shelf) -> list[Function]:
        """Have a function for every version, the one that is there if it is still the same; gives the new."""
        self._shelves[shelf.name] = shelf
        for key, up in [*self._up.items()]:
            if key[0] == shelf.name and shelf.manifests.get(key[1]) != up.manifest:
                del self._up[key]
                self._retire(up.function)
        fresh = []
        for number, version in shelf.versions.items():
            if (shelf.name, number) not in self._up:
                is_live = version == shelf.standing.live
                about = {**self._shared, **self._about(version)}
                spec = predict(version, about, is_live=is_live, snap_start=self._snap_start)
                fresh.append(self._new(spec))
                self._up[shelf.name, number] = _Up(shelf.manifests[number], fresh[-1])
        if shelf.versions:
            self._serving[shelf.name] = shelf.serving
        else:
            self._serving.pop(shelf.name, None)
        return fresh

    def _new(self, spec: FunctionSpec) -> Function:
        function = self._start(spec)
        self._functions.append(function)
        return function

    def _new_catalog(self) -> Function:
        """The catalog, over an index of its own: one before it may still be reading its."""
        self._indexes += 1
        index = self._scratch / f"index-{self._indexes}.json"
        fleet = Fleet(self._shelves)
        # A version for a GPU whose function hears of no endpoint runs its graph itself.
        alone = [version for version in fleet.for_gpu if ENDPOINT not in self._about(version)]
        twins = {version.manifest.name: CPU for version in alone}
        fleet.write_index(index, twins)
        return self._new(catalog(index, self._shared))

    async def _publish(self, functions: Iterable[Function]) -> None:
        for function in functions:
            if not self._is_closed:
                await function.publish()

    def _retire(self, function: Function) -> None:
        self._later(self._finish(function))

    async def _finish(self, function: Function) -> None:
        await function.retire()
        self._functions.remove(function)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def stamps(model: str) -> tuple[Stamp, Stamp]:
    """Of what says that a model changed. It runs before every request, so without path objects."""
    return _stamp(f"{model}/{FILE_NAME}"), _stamp(f"{model}/{VERSIONS}")


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
