"""What waits to leave when its key is taken away: sealed anew or a notice, never the old bytes."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from gateway.demo.servers.webhook import WebhookReceiver
from gateway.model.ids import EndpointId
from gateway.model.keyring import HeldKey
from gateway.registration import change_keys_of
from keys import hpke
from keys.problem import KeyProblem
from keys.seal import open_sealed
from tests import canaries
from tests.gateway.tellings import Clock, Scene, scene
from tests.gateway_in_process import planned_release
from tests.support.trusted import trusted

POLICE = EndpointId("police/webhook")


async def change(it: Scene, *, revoke: bool = True, add: str | None = None) -> None:
    """Revoke what the police hold, and confirm another key if one is given."""

    def changed(keys: tuple[HeldKey, ...]) -> tuple[HeldKey, ...]:
        now = it.now()
        kept = tuple(replace(one, revoked_at=now, revoked_for="lost") for one in keys)
        new = tuple(replace(one, confirmed_at=now) for one in trusted("hpke", add)) if add else ()
        return (kept if revoke else keys) + new

    await change_keys_of(
        it.gateway.config, POLICE, changed, action="key-revoked", key_id="k", by="DPO-EXAMPLE"
    )


async def until_back(it: Scene) -> WebhookReceiver:
    hook = it.hooks["police"]
    hook.answers_now(204)
    await it.settled()
    return hook


def opens(body: bytes, private: str) -> bool:
    try:
        open_sealed(body, private.encode())
    except KeyProblem:
        return False
    return True


async def posted_while_away(it: Scene) -> None:
    """Post a release while the police do not answer: one attempt is made and fails."""
    await it.post_only(planned_release())
    while not it.hooks["police"].received:
        await it.moment()


def after_change(hook: WebhookReceiver, before: int) -> list[dict[str, Any]]:
    return [orjson.loads(one.body) for one in hook.received[before:]]


async def test_a_revoked_key_with_no_other_leaves_only_a_notice(tmp_path: Path) -> None:
    async with scene(tmp_path, away=("police",)) as it:
        await posted_while_away(it)
        await change(it)
        before = len(it.hooks["police"].received)
        hook = await until_back(it)
        last = after_change(hook, before)[-1]
        assert "sealed" not in last["data"]
        assert "/pick-up/" in last["data"]["notice"]
        assert canaries.found_in(orjson.dumps(last).decode()) == []
        [sealing] = it.gateway.entries("sealing")
        assert (sealing["reason"], sealing["form"]) == ("key-revoked", "notice")
        assert "key" not in sealing


async def test_a_revoked_key_is_replaced_by_the_new_one_under_the_same_alert(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, away=("police",)) as it:
        await posted_while_away(it)
        private, public = hpke.generate()
        await change(it, add=public)
        first = orjson.loads(it.hooks["police"].received[0].body)
        hook = await until_back(it)
        newest = hook.received[-1].body
        assert opens(newest, private)
        assert not opens(newest, it.privates["police"])
        assert orjson.loads(newest)["id"] == first["id"]  # P5
        content = orjson.loads(open_sealed(newest, private.encode()))
        assert content["alert"]["facts"]["identity"]["family_name"] == canaries.NAME
        [sealing] = it.gateway.entries("sealing")
        assert sealing["form"] == "sealed"
        assert sealing["key"] == trusted("hpke", public)[0].key.key_id


async def test_a_new_key_beside_a_sound_one_changes_nothing_of_what_waits(tmp_path: Path) -> None:
    async with scene(tmp_path, away=("police",)) as it:
        await posted_while_away(it)
        await change(it, revoke=False, add=hpke.generate()[1])
        hook = await until_back(it)
        assert opens(hook.received[-1].body, it.privates["police"])
        assert it.gateway.entries("sealing") == []


async def test_a_key_that_ends_while_an_alert_waits_is_not_used(tmp_path: Path) -> None:
    now = Clock()
    async with scene(tmp_path, now=now, away=("police",)) as it:
        await posted_while_away(it)

        def ending(keys: tuple[HeldKey, ...]) -> tuple[HeldKey, ...]:
            return tuple(replace(one, valid_until=it.now() + dt.timedelta(days=1)) for one in keys)

        await change_keys_of(
            it.gateway.config, POLICE, ending, action="key-ends", key_id="k", by="DPO-EXAMPLE"
        )
        now.ahead = dt.timedelta(days=2)
        before = len(it.hooks["police"].received)
        hook = await until_back(it)
        assert "notice" in after_change(hook, before)[-1]["data"]
        assert it.gateway.entries("sealing")[0]["reason"] == "key-expired"


async def test_no_old_ciphertext_leaves_after_the_revocation_is_known(tmp_path: Path) -> None:
    async with scene(tmp_path, away=("police",)) as it:
        await posted_while_away(it)
        await change(it)
        while not it.gateway.entries("sealing"):
            await it.moment()
        known = len(it.hooks["police"].received)
        hook = await until_back(it)
        told = after_change(hook, known)
        assert told
        assert all("sealed" not in one["data"] for one in told)
