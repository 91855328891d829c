"""Functions of a few lines, run by the real runtime client, for tests of the service."""

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from rich.console import Console

from modelet.local.function import Function
from modelet.local.logs import LogView
from modelet.local.metrics import ServiceMetrics
from modelet.local.process import FunctionSpec

FOLDER = Path(__file__).parent / "functions"


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that is a coroutine, in debug mode off and with a limit that no healthy run meets."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(60):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run


def spec(name: str = "probe", **changes: Any) -> FunctionSpec:
    """One of the functions of this folder."""
    return FunctionSpec(**{"name": name, "folder": FOLDER / name, "timeout_s": 20, **changes})


class Bench:
    """A function under test and what it wrote."""

    def __init__(self, scratch: Path, **changes: Any) -> None:
        self.scratch = scratch
        self.written = io.StringIO()
        self.metrics = ServiceMetrics()
        view = LogView(Console(file=self.written, no_color=True), self.metrics)
        expiry_s = changes.pop("idle_expiry_s", 300.0)
        self.function = Function(spec(**changes), scratch, view, self.metrics, expiry_s)

    @property
    def log(self) -> str:
        return self.written.getvalue()

    async def order(self, **order: Any) -> dict[str, Any]:
        """Invoke the probe with an order; gives its answer's body."""
        result = json.loads(await self.function.invoke(event(**order)))
        return json.loads(result["body"])


def event(**order: Any) -> bytes:
    """An event whose body tells the probe what to do."""
    return json.dumps({"version": "2.0", "body": json.dumps(order)}).encode()


@asynccontextmanager
async def bench(scratch: Path, **changes: Any) -> AsyncIterator[Bench]:
    """A function that is closed, and shown to have left nothing, at the end."""
    made = Bench(scratch, **changes)
    try:
        yield made
    finally:
        pids = [environment.pid for environment in made.function.environments]
        await made.function.close()
        assert made.function.environments == ()
        assert not any(pid and is_alive(pid) for pid in pids)
        assert list(scratch.iterdir()) == []


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(pid: int) -> bool:
    """Wait until a process has ended; False when it does not."""
    for _ in range(200):
        if not is_alive(pid):
            return True
        await asyncio.sleep(0.02)
    return False
