"""The real runtime client goes through init, snapshot and restore, and fails where SnapStart lets it fail."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from support.lambdas import bench, gone, in_loop

from modelet.local import function as function_module
from modelet.local.errors import InitFailed, RestoreFailed

BEFORE = ["before, registered second", "before, registered first"]
AFTER = ["after, registered first", "after, registered second"]
SNAP = {"name": "snap", "snap_start": True}


@in_loop
async def test_hooks_run_in_the_order_of_the_protocol(tmp_path: Path) -> None:
    async with bench(tmp_path, **SNAP) as made:
        seen = await made.order()
        assert seen["kind"] == "snap-start"
        assert seen["done"] == ["init", *BEFORE, *AFTER]
        assert "restore from a snapshot in" in made.log


@in_loop
async def test_without_snapstart_no_hook_runs(tmp_path: Path) -> None:
    async with bench(tmp_path, name="snap") as made:
        seen = await made.order()
        assert (seen["kind"], seen["done"]) == ("on-demand", ["init"])
        assert len(made.function.environments) == 1


@in_loop
async def test_what_is_published_is_what_the_first_request_restores(tmp_path: Path) -> None:
    async with bench(tmp_path, **SNAP) as made:
        await made.function.publish()
        [waiting] = made.function.environments
        assert "initialised and at its snapshot" in made.log
        assert not waiting.is_usable
        assert (await made.order())["pid"] == waiting.pid
        assert b'modelet_function_restore_seconds_count{function="snap"} 1.0' in made.metrics.text()


@in_loop
async def test_another_one_goes_to_the_snapshot_for_the_next_cold_start(tmp_path: Path) -> None:
    async with bench(tmp_path, concurrency=1, **SNAP) as made:
        first = await made.order()
        while len(made.function.environments) < 2:
            await asyncio.sleep(0.01)
        assert (await made.order())["pid"] == first["pid"]
        os.kill(first["pid"], signal.SIGKILL)
        while first["pid"] in {environment.pid for environment in made.function.environments}:
            await asyncio.sleep(0.01)
        second = await made.order()
        assert second["pid"] != first["pid"]
        assert second["done"] == ["init", *BEFORE, *AFTER]


@in_loop
async def test_publishing_without_snapstart_starts_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, name="snap") as made:
        await made.function.publish()
        assert made.function.environments == ()


@pytest.mark.parametrize("step", BEFORE)
@in_loop
async def test_a_hook_that_fails_before_the_snapshot_fails_the_init(tmp_path: Path, step: str) -> None:
    async with bench(tmp_path, environment={"FAILS": step}, **SNAP) as made:
        await made.function.publish()
        assert "could not be initialised: LookupError" in made.log
        assert "no such lunch" in made.log
        with pytest.raises(InitFailed, match="LookupError"):
            await made.order()


@pytest.mark.parametrize("step", AFTER)
@in_loop
async def test_a_hook_that_fails_after_the_restore_fails_its_request(tmp_path: Path, step: str) -> None:
    async with bench(tmp_path, environment={"FAILS": step}, **SNAP) as made:
        await made.function.publish()
        for _ in range(2):
            with pytest.raises(RestoreFailed, match="could not be restored: LookupError"):
                await made.order()
        assert "no such lunch" in made.log


@in_loop
async def test_a_restore_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_module, "RESTORE_TIMEOUT_S", 0.2)
    async with bench(tmp_path, environment={"SLEEPS": AFTER[0]}, **SNAP) as made:
        await made.function.publish()
        [waiting] = made.function.environments
        assert waiting.pid
        with pytest.raises(RestoreFailed, match=r"was not restored after 0\.2 s"):
            await made.order()
        assert await gone(waiting.pid)


@in_loop
async def test_an_environment_that_ends_at_its_snapshot_is_not_restored(tmp_path: Path) -> None:
    async with bench(tmp_path, **SNAP) as made:
        await made.function.publish()
        [waiting] = made.function.environments
        assert waiting.pid
        os.kill(waiting.pid, signal.SIGKILL)
        while made.function.environments:
            await asyncio.sleep(0.01)
        with pytest.raises(RestoreFailed, match="ended at its snapshot"):
            await made.order()
        assert (await made.order())["done"][0] == "init"
