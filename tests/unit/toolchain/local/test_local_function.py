"""Functions behave as on Lambda: environments come and go, and failures stay with their own request."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest
from support.lambdas import bench, event, gone, in_loop, is_alive

from modelet.local import function as function_module
from modelet.local.errors import (
    Crashed,
    HandlerRaised,
    InitFailed,
    RequestTooLarge,
    ResponseTooLarge,
    Throttled,
    TimedOut,
)
from modelet.local.limits import LAMBDA_EVENT_BYTES, LAMBDA_RESULT_BYTES


@in_loop
async def test_an_environment_is_reused(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        assert made.function.environments == ()
        first = await made.order()
        second = await made.order()
        assert (second["pid"], second["count"]) == (first["pid"], 2)
        assert second["request_id"] != first["request_id"]
        assert len(made.function.environments) == 1
        assert "cold start in" in made.log


@in_loop
async def test_the_process_sees_what_lambda_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the developer")
    changes = {"environment": {"MODELET_MODEL_DIR": "/models/1"}, "memory_mib": 512, "version": "3"}
    async with bench(tmp_path, **changes) as made:
        seen = await made.order()
        environment = seen["environment"]
        assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "probe"
        assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == "3"
        assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
        assert environment["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
        assert environment["MODELET_MODEL_DIR"] == "/models/1"
        assert Path(environment["TMPDIR"]).parent == tmp_path
        assert "AWS_SECRET_ACCESS_KEY" not in environment
        assert "VIRTUAL_ENV" not in environment
        assert Path(seen["cwd"]).name == "probe"
        assert 15_000 < seen["remaining_ms"] <= 20_000
        assert seen["arn"].endswith(":function:probe:3")
        by_alias = json.loads(await made.function.invoke(event(), "live"))
        assert json.loads(by_alias["body"])["arn"].endswith(":function:probe:live")


@in_loop
async def test_one_request_at_a_time_each(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        seen = await asyncio.gather(*(made.order(sleep_s=0.2) for _ in range(6)))
        assert {answer["pid"] for answer in seen} <= {each.pid for each in made.function.environments}
        seen.sort(key=lambda answer: (answer["pid"], answer["began_s"]))
        for first, second in pairwise(seen):
            assert first["pid"] != second["pid"] or first["ended_s"] <= second["began_s"]


@in_loop
async def test_the_environment_used_last_is_used_next(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await asyncio.gather(made.order(sleep_s=0.3), made.order(sleep_s=0.3))
        assert len(made.function.environments) == 2
        last = await made.order()
        assert [(await made.order())["pid"] for _ in range(3)] == [last["pid"]] * 3


@in_loop
async def test_above_its_concurrency_requests_are_refused(tmp_path: Path) -> None:
    async with bench(tmp_path, concurrency=2) as made:
        answers = await asyncio.gather(*(made.order(sleep_s=0.5) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(answer, Throttled) for answer in answers) == 3
        assert sum(isinstance(answer, dict) for answer in answers) == 2
        assert (await made.order())["count"] > 1
        assert (
            b'modelet_function_failures_total{function="probe",kind="Throttled"} 3.0' in made.metrics.text()
        )


@in_loop
async def test_idle_environments_expire(tmp_path: Path) -> None:
    async with bench(tmp_path, idle_expiry_s=0.2) as made:
        pid = (await made.order())["pid"]
        assert await gone(pid)
        assert (await made.order())["pid"] != pid


@pytest.mark.parametrize(
    ("order", "how"), [({"exit": 3}, "exit code 3"), ({"signal": "SIGKILL"}, "signal SIGKILL")]
)
@in_loop
async def test_a_crash_fails_its_own_request_only(tmp_path: Path, order: dict, how: str) -> None:
    async with bench(tmp_path) as made:
        others = [asyncio.create_task(made.order(sleep_s=0.5)) for _ in range(2)]
        with pytest.raises(Crashed, match=how):
            await made.order(**order)
        assert [(await other)["count"] for other in others] == [1, 1]
        assert (await made.order())["pid"]
        assert f"process ended during a request: {how}" in made.log


@in_loop
async def test_a_request_that_a_dying_process_never_took_goes_to_another(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        pid = (await made.order(end_before_next_s=0.2))["pid"]
        assert (await made.order())["pid"] != pid
        assert "process ended during a request" not in made.log


@in_loop
async def test_an_exception_is_a_function_error_and_the_process_lives(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        pid = (await made.order())["pid"]
        with pytest.raises(HandlerRaised, match="RuntimeError") as raised:
            await made.order(**{"raise": "secret detail"})
        assert "secret detail" not in str(raised.value)
        with pytest.raises(HandlerRaised, match="MarshalError"):
            await made.order(unserialisable=1)
        assert (await made.order())["pid"] == pid
        assert "RuntimeError: secret detail" in made.log
        assert "raise RuntimeError(text)" in made.log


@in_loop
async def test_a_timeout_kills_the_process_and_the_next_request_works(tmp_path: Path) -> None:
    async with bench(tmp_path, timeout_s=1) as made:
        pid = (await made.order())["pid"]
        with pytest.raises(TimedOut):
            await made.order(sleep_s=30)
        assert await gone(pid)
        assert (await made.order())["pid"] != pid
        assert "task timed out after 1 seconds" in made.log


@in_loop
async def test_a_caller_that_gives_up_does_not_free_the_environment(tmp_path: Path) -> None:
    async with bench(tmp_path, concurrency=1) as made:
        pid = (await made.order())["pid"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.order(sleep_s=0.6), 0.1)
        with pytest.raises(Throttled):
            await made.order()
        while True:
            try:
                assert (await made.order())["pid"] == pid
            except Throttled:
                await asyncio.sleep(0.05)
            else:
                break


@in_loop
async def test_a_caller_that_gives_up_while_waiting_is_forgotten(tmp_path: Path) -> None:
    async with bench(tmp_path, name="slow", environment={"SLOW_INIT_S": "0.5"}, concurrency=1) as made:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.function.invoke(event()), 0.1)
        assert json.loads(await made.function.invoke(event()))["body"] == "ready"
        assert len(made.function.environments) == 1


@pytest.mark.parametrize(("name", "why"), [("broken", "LookupError"), ("leaves", "exit code 7")])
@in_loop
async def test_a_function_that_cannot_start_says_so(tmp_path: Path, name: str, why: str) -> None:
    async with bench(tmp_path, name=name) as made:
        with pytest.raises(InitFailed, match=why):
            await made.function.invoke(event())
        assert why in made.log
        if name == "broken":
            assert "no such weights" in made.log
        failures = await asyncio.gather(
            *(made.function.invoke(event()) for _ in range(5)), return_exceptions=True
        )
        assert all(isinstance(failure, InitFailed) for failure in failures)


@in_loop
async def test_a_missing_folder_is_a_failed_start(tmp_path: Path) -> None:
    async with bench(tmp_path, folder=tmp_path / "nowhere") as made:
        with pytest.raises(InitFailed, match="cannot be launched"):
            await made.function.invoke(event())


@in_loop
async def test_a_slow_start_is_tried_again_within_the_functions_own_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_module, "INIT_TIMEOUT_S", 0.2)
    async with bench(tmp_path, name="slow", environment={"SLOW_INIT_S": "0.6"}) as made:
        assert json.loads(await made.function.invoke(event()))["body"] == "ready"
        assert "was not ready after 0.2 s" in made.log


@in_loop
async def test_lambdas_payload_limits(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        with pytest.raises(RequestTooLarge, match="6,291,456"):
            await made.function.invoke(b" " * (LAMBDA_EVENT_BYTES + 1))
        envelope = len(json.dumps({"statusCode": 200, "body": ""}))
        most = LAMBDA_RESULT_BYTES - envelope
        assert len(await made.function.invoke(event(return_bytes=most))) == LAMBDA_RESULT_BYTES
        with pytest.raises(ResponseTooLarge):
            await made.function.invoke(event(return_bytes=most + 1))
        assert (await made.order())["count"] == 1, "the runtime ends over too large a result"


@in_loop
async def test_what_a_handler_started_ends_with_its_environment(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        child = (await made.order(child_s=60))["child"]
        assert is_alive(child)
        with pytest.raises(Crashed):
            await made.order(exit=1)
        assert await gone(child)
        child = (await made.order(child_s=60))["child"]
    assert await gone(child)


@in_loop
async def test_temporary_files_go_with_the_environment(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        result = json.loads(await made.function.invoke(event(temporary="text")))
        file = Path(result["body"])
        assert file.read_text() == "text"
    assert not file.exists()


@in_loop
async def test_closing_fails_what_is_under_way(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await made.order()
        under_way = asyncio.create_task(made.order(sleep_s=30))
        await asyncio.sleep(0.1)
        await made.function.close()
        with pytest.raises(Crashed):
            await under_way


@in_loop
async def test_output_is_shown_with_the_functions_name(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await made.order(print="to stdout", print_to_stderr="to stderr")
        await made.order(print="x" * 200_000)
    lines = made.log.splitlines()
    assert sum("probe" in line for line in lines) == len(lines)
    assert any(line.endswith("to stdout") for line in lines)
    assert any(line.endswith("to stderr") for line in lines)
    assert any(line.endswith("x" * 200_000) for line in lines)
