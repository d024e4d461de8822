"""A whole gateway with witnesses in its configuration: what reaches a recipient says so itself."""

import asyncio
from pathlib import Path

import orjson
from typer.testing import CliRunner

from gateway.cli.witness_commands import witness as group
from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import parse_keys
from gateway.disclosure_log.trust_policy import TrustPolicy
from tests.gateway.tellings import scene
from tests.gateway_in_process import planned_release
from tests.witness.stage import policy_text, serving


def said(*words: str | Path) -> int:
    return CliRunner().invoke(group, [str(word) for word in words]).exit_code


async def test_an_alert_that_waited_reaches_its_recipient_with_the_witnesses_word(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "w"
    assert said("init", folder, "--name", "witness.example/1") == 0
    async with serving(folder) as url:
        text = policy_text([(url, folder)], threshold="all")
        (tmp_path / "policy.txt").write_text(text)
        section = f'\n[witness]\npolicy = "{tmp_path / "policy.txt"}"\nevery_s = 0.02\n'
        async with scene(tmp_path / "i", more=section, away=("police",)) as it:
            vkeys = it.gateway.folder / "log.vkey"
            assert said("add-log", folder, vkeys) == 0
            await it.post_only(planned_release())
            while not it.hooks["police"].received:
                await it.moment()
            hook, policy = it.hooks["police"], TrustPolicy.parse(text)
            keys = parse_keys(vkeys.read_text())

            async def newest() -> str:
                async with it.gateway.session.get(f"{it.gateway.url}/log/witnessed") as answer:
                    return await answer.text() if answer.status == 200 else ""

            [(index,)] = it.rows("SELECT leaf_index FROM outbox WHERE endpoint = 'police/webhook'")
            async with asyncio.timeout(20):
                while not it.rows("SELECT 1 FROM log_witnessed WHERE size > ?", index):
                    await it.moment()
            assert policy.satisfied(await newest(), log_keys=keys)
            hook.answers_now(204)
            await it.settled()
            [(entry,)] = it.rows("SELECT body FROM log_entry WHERE idx = ?", index)
            carried = orjson.loads(hook.received[-1].body)["data"]["proof"]
            found = proof.verify(carried, entry=entry, verifiers=keys, policy=policy)
            assert found.index == index
            async with it.gateway.session.get(f"{it.gateway.url}/log/proof/{index}") as answer:
                served = await answer.text()
            assert proof.verify(served, entry=entry, verifiers=keys, policy=policy).index == index
