"""Health: live, started, ready; and why not, to nobody but the machine itself."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from structlog.testing import capture_logs

from gateway.http import operators
from gateway.operator_log import FIELDS
from gateway.store import group_commit
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.sqlite import StoreUnavailable
from tests.gateway_in_process import gateway
from tests.store.stores import opened


class Loops:
    """As much of a pipeline as health looks at."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []


async def asked(reasons: list[str], headers: dict[str, str]) -> list[tuple[int, str]]:
    application = web.Application()
    loops = Loops()
    loops.tasks.append(asyncio.create_task(asyncio.sleep(60), name="sweep"))  # type: ignore[arg-type]
    application.add_routes(operators.routes(loops, refused=lambda: reasons))  # type: ignore[arg-type]
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/health"
    found = []
    try:
        async with ClientSession(headers=headers) as session:
            for path in ("live", "startup", "ready"):
                async with session.get(f"{url}/{path}") as answer:
                    found.append((answer.status, await answer.text()))
    finally:
        loops.tasks[0].cancel()
        await runner.cleanup()
    return found


async def test_all_is_well() -> None:
    assert [status for status, _ in await asked([], {})] == [200, 200, 200]


@pytest.mark.parametrize("code", ["no-space", "busy", "keys", "log-behind", "poisoned"])
async def test_a_store_that_takes_nothing_is_not_ready_and_says_why_here(code: str) -> None:
    with capture_logs() as lines:
        live, _, ready = await asked([code], {})
    assert live[0] == 200
    assert ready[0] == 503
    assert code in ready[1]
    assert [(line["event"], line["code"]) for line in lines] == [("not ready", code)]
    assert all(set(line) <= FIELDS | {"log_level"} for line in lines)


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For"])
async def test_strangers_learn_that_and_not_what(header: str) -> None:
    _, _, (status, text) = await asked(["no-space"], {header: "for=192.0.2.1"})
    assert status == 503
    assert "no-space" not in text


async def test_a_loop_that_ended_is_named(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        [task] = [one for one in asyncio.all_tasks() if one.get_name() == "sweep"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with served.session.get(f"{served.url}/health/ready") as answer:
            assert answer.status == 503
            assert "loop-sweep" in await answer.text()


async def test_a_refusal_is_remembered_for_a_while_and_forgotten_with_the_next_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import apsw

    async with opened(tmp_path / "s.db") as store:
        assert store.refused is None

        def full(_connection: Connection) -> Staged[None]:
            raise apsw.FullError("full")

        with pytest.raises(StoreUnavailable):
            await store.commit(full)
        assert store.refused == "no-space"
        monkeypatch.setattr(group_commit, "REFUSED_FOR_S", -1.0)
        assert store.refused is None
        monkeypatch.setattr(group_commit, "REFUSED_FOR_S", 30.0)
        assert store.refused == "no-space"
        await store.commit(lambda _connection: Staged(None))
        assert store.refused is None
