"""A gateway on an old backup: it is there to be looked at, and does nothing, until two agree."""

import asyncio
import shutil
from pathlib import Path

import aiohttp

from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.instance import opened
from gateway.model.staff import ApprovalId
from gateway.standing import acknowledging
from gateway.store import approvals
from keys.signing import SigningKey
from tests.gateway_in_process import NAME, gateway, planned_release, police, serving
from tests.store.stores import NOW

BACKUP = "backup.db"


async def ready(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with session.get(f"{url}/health/ready") as answer:
        return answer.status, await answer.text()


async def test_it_serves_the_log_takes_nothing_and_goes_on_when_two_agree(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    recipient, _ = police()
    async with gateway(folder, recipients=[recipient]) as served:
        key: SigningKey = served.key
        config = served.config
        database = config.path(config.instance.database)
    shutil.copy(database, tmp_path / BACKUP)
    async with serving(folder, config, key) as served:
        assert (await served.post(planned_release()))[0] == 202
    for one in folder.glob("throughgate.db*"):
        one.unlink()
    shutil.copy(tmp_path / BACKUP, database)
    async with serving(folder, config, key) as served:
        status, answer = await served.post(planned_release())
        assert (status, answer["type"].rpartition(":")[2]) == (503, "log-behind")
        status, text = await ready(served.session, served.url)
        assert status == 503
        assert "log-behind" in text
        async with served.session.get(f"{served.url}/log/checkpoint") as found:
            before = parse_checkpoint(await found.text())
        assert before.origin == NAME
        async with opened(config) as store:
            missing = store.behind
            assert missing is not None
            id_ = await store.commit(
                approvals.propose(
                    id_=ApprovalId("apr_1"),
                    kind="gap",
                    subject=str(missing.size),
                    reason="restored",
                    by="dpo-01",
                    now=NOW,
                )
            )
            carry_out = acknowledging(config.instance.name, lambda: NOW)
            await store.commit(
                approvals.decide(id_, "approved", by="dpo-02", now=NOW, carry_out=carry_out)
            )
        assert (await served.post(planned_release()))[0] == 202
        while not served.entries("disclosure"):  # noqa: ASYNC110 - another process's table
            await asyncio.sleep(0.05)
        assert (await ready(served.session, served.url))[0] == 200
        async with served.session.get(f"{served.url}/log/checkpoint") as found:
            assert parse_checkpoint(await found.text()).origin == f"{NAME}/2"
        async with served.session.get(f"{served.url}/log/vkey") as found:
            assert (await found.text()).startswith(f"{NAME}/2+")
