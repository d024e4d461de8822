"""`keys import|confirm|revoke|list|check` beside a gateway that serves."""

import datetime as dt
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.demo.servers.webhook import ReceivedWebhook
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import Endpoint, Recipient
from gateway.registration import register_recipients
from keys import hpke
from keys.fingerprints import fingerprint, printed
from keys.problem import KeyProblem
from keys.seal import open_sealed, recipient_key
from tests import canaries
from tests.gateway.tellings import Scene, scene
from tests.gateway_in_process import planned_release
from tests.keys.authority import pem_of, root
from tests.support.command_line import Done, throughgate
from tests.support.events import noms

POLICE = "police/webhook"
BY = ("--by", "DPO-EXAMPLE")


class Desk:
    """The command line of one instance."""

    def __init__(self, it: Scene) -> None:
        self.it = it

    async def run(self, *words: object) -> Done:
        done = await throughgate(*words, "--config", self.it.gateway.folder / "throughgate.toml")
        said = done.out + done.err
        assert canaries.found_in(said) == []
        assert not any(hook.url in said for hook in self.it.hooks.values())
        return done

    async def new_key(self, tmp_path: Path, *more: object) -> tuple[str, str, str]:
        """Import a new key for the police; return private half, fingerprint and key id."""
        private, public = hpke.generate()
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.pub"
        file.write_text(public + "\n")
        done = await self.run("keys", "import", POLICE, file, *BY, *more)
        assert done.code == 0, done.err
        key = recipient_key("hpke", public)
        assert printed(fingerprint(key)) in done.out
        assert "not used yet" in done.out
        return private, fingerprint(key), key.key_id

    async def stands(self) -> dict[str, str]:
        """Return how each key of the police stands, by key id."""
        done = await self.run("keys", "list", "--recipient", "police", "--json")
        return {one["key_id"]: one["stands"] for one in done.json["keys"]}

    def actions(self) -> list[tuple[str, str]]:
        return [
            (one["action"], one["actor"])
            for one in self.it.gateway.entries("directory")
            if one["action"].startswith("key-")
        ]


def opens(received: ReceivedWebhook, private: str) -> bool:
    try:
        open_sealed(received.body, private.encode())
    except KeyProblem:
        return False
    return True


def last(it: Scene) -> ReceivedWebhook:
    return it.hooks["police"].received[-1]


def another(id_: str) -> dict[str, Any]:
    """Return a planned release of somebody else."""
    event = planned_release(id_)
    event["data"]["identifiers"] = {"noms": noms(7)}
    return event


async def test_a_key_is_not_used_until_its_whole_fingerprint_was_compared(tmp_path: Path) -> None:
    async with scene(tmp_path / "i") as it:
        desk, old = Desk(it), it.privates["police"]
        private, whole, key_id = await desk.new_key(tmp_path)
        assert sorted((await desk.stands()).values()) == ["in use", "unconfirmed"]
        await it.post(planned_release("evt-1"))
        assert opens(last(it), old)
        wrong = ("f" if whole[0] != "f" else "e") + whole[1:]
        for given in (whole[:16], whole[:-1], wrong, "", key_id):
            refused = await desk.run("keys", "confirm", POLICE, given, *BY)
            assert (refused.code, refused.out) == (1, "")
            assert "do not use it" in refused.err
        assert (await desk.stands())[key_id] == "unconfirmed"
        assert desk.actions() == [("key-added", "DPO-EXAMPLE")]
        grouped = ":".join(whole[i : i + 2] for i in range(0, 64, 2)).upper()
        assert (await desk.run("keys", "confirm", POLICE, grouped, *BY)).code == 0
        assert (await desk.stands())[key_id] == "in use"
        await it.post(another("evt-2"))
        assert opens(last(it), private)
        assert not opens(last(it), old)
        assert desk.actions()[-1] == ("key-confirmed", "DPO-EXAMPLE")


async def test_the_old_key_serves_what_waits_until_it_is_revoked(tmp_path: Path) -> None:
    async with scene(tmp_path / "i", away=("police",)) as it:
        desk, old = Desk(it), it.privates["police"]
        await it.post_only(planned_release("evt-1"))
        while not it.hooks["police"].received:
            await it.moment()
        [old_id] = await desk.stands()
        private, whole, key_id = await desk.new_key(tmp_path)
        assert (await desk.run("keys", "confirm", POLICE, printed(whole), *BY)).code == 0
        tried = len(it.hooks["police"].received)
        while len(it.hooks["police"].received) == tried:
            await it.moment()
        assert opens(last(it), old)  # what was sealed before still leaves
        revoking = ("keys", "revoke", POLICE, old_id[:8], *BY, "--reason", "superseded")
        revoked = await desk.run(*revoking)
        assert revoked.code == 0
        assert "sealed anew to the other key" in revoked.out
        known = len(it.hooks["police"].received)
        while len(it.hooks["police"].received) < known + 2:
            await it.moment()
        # One attempt may have been under way when the revocation became known.
        assert all(opens(one, private) for one in it.hooks["police"].received[known + 1 :])
        it.hooks["police"].answers_now(204)
        await it.settled()
        assert opens(last(it), private)
        assert not opens(last(it), old)
        assert (await desk.stands()) == {old_id: "revoked", key_id: "in use"}
        assert ("key-revoked-superseded", "DPO-EXAMPLE") in desk.actions()
        [sealing] = it.gateway.entries("sealing")
        assert (sealing["reason"], sealing["key"]) == ("key-revoked", key_id)


async def test_the_key_before_a_revoked_one_is_not_fallen_back_to(tmp_path: Path) -> None:
    async with scene(tmp_path / "i") as it:
        desk, old = Desk(it), it.privates["police"]
        [held] = it.rows("SELECT body FROM recipient WHERE id = 'police'")
        _, whole, key_id = await desk.new_key(tmp_path)
        await desk.run("keys", "confirm", POLICE, whole, *BY)
        done = await desk.run("keys", "revoke", POLICE, key_id, *BY, "--reason", "compromised")
        assert "only content-free notices leave" in done.out
        await it.post(planned_release("evt-1"))
        assert not opens(last(it), old)
        assert b"/pick-up/" in last(it).body
        checked = await desk.run("keys", "check", "--json")
        assert checked.code == 1
        assert {"endpoint": POLICE, "unusable": "revoked", "ends": None, "within_days": None} in (
            checked.json["warnings"]
        )
        # Its holder says it is the old one after all: it is confirmed again, and used.
        first = recipient_key("hpke", _public(held[0]))
        assert (await desk.run("keys", "confirm", POLICE, fingerprint(first), *BY)).code == 0
        assert (await desk.run("keys", "confirm", POLICE, whole, *BY)).code == 1  # never again
        await it.post(another("evt-2"))
        assert opens(last(it), old)


def _public(body: str) -> str:
    recipient: Any = orjson.loads(body)
    return str(recipient["endpoints"][0]["keys"][0]["key"]["public"])


async def test_what_ends_is_said_in_time(tmp_path: Path) -> None:
    async with scene(tmp_path / "i") as it:
        desk = Desk(it)
        assert (await desk.run("keys", "check")).out == (
            "every key may be used, and none ends within 60 days\n"
        )
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=100)
        _, whole, _ = await desk.new_key(tmp_path, "--valid-until", ends.isoformat())
        await desk.run("keys", "confirm", POLICE, whole, *BY)
        for days, code, found in (
            (61, 0, []), (59, 0, [(60, None)]), (29, 0, [(30, None)]), (6, 0, [(7, None)]),
            (-1, 1, [(None, "expired")]),
        ):  # fmt: skip
            at = (ends - dt.timedelta(days=days)).isoformat()
            done = await desk.run("keys", "check", "--at", at, "--json")
            said = [(one["within_days"], one["unusable"]) for one in done.json["warnings"]]
            assert (done.code, said) == (code, found), days
        spoken = await desk.run("keys", "check", "--at", (ends - dt.timedelta(days=6)).isoformat())
        assert spoken.out == f"{POLICE}: its key ends in 6 days; ask for a new one now\n"
        assert (await desk.run("keys", "check", "--at", "soon")).code == 2


async def test_a_certificate_is_taken_only_for_its_own_mailbox(tmp_path: Path) -> None:
    async with scene(tmp_path / "i") as it:
        desk = Desk(it)
        mail = Endpoint(
            id=EndpointId("mail/email"), channel="email", address="mappa@Example.org", smime="gcm"
        )
        recipient = Recipient(
            id=RecipientId("mail"),
            organisation="Example Mail",
            organisation_class="police",
            role="police_offender_manager",
            areas=frozenset(),
            endpoints=(mail,),
        )
        await register_recipients(it.gateway.config, [recipient])
        authority = root()
        for number, (address, code) in enumerate(
            [("other@example.org", 2), ("MAPPA@example.org", 2), ("mappa@example.org", 0)]
        ):
            file = tmp_path / f"{number}.pem"
            file.write_text(pem_of(authority.issue(address=address)))
            done = await desk.run("keys", "import", "mail/email", file, "--form", "cms", *BY)
            assert done.code == code, done.err
            on_hook = await desk.run("keys", "import", POLICE, file, "--form", "cms", *BY)
            assert on_hook.code == 2
            assert "example.org" not in (done.err + on_hook.err)
        again = await desk.run("keys", "import", "mail/email", file, "--form", "cms", *BY)
        assert again.code == 2
        assert "has that key already" in again.err


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "import", "nobody/webhook", "FILE", *BY),
        ("keys", "import", POLICE, "FILE", "--form", "pgp", *BY),
        ("keys", "import", POLICE, "FILE", "--by", "not a staff id"),
        ("keys", "import", POLICE, "FILE", *BY),  # not a key
        ("keys", "confirm", "nobody/webhook", "00", *BY),
        ("keys", "revoke", POLICE, "00", *BY),
        ("keys", "revoke", POLICE, "0" * 8, *BY),
        ("keys", "revoke", POLICE, "0" * 8, *BY, "--reason", "bored"),
        ("keys", "list", "--recipient", "nobody"),
    ],
    ids=lambda words: "-".join(words[1:3]) if isinstance(words, tuple) else None,
)
async def test_what_cannot_be_done_is_a_usage_error_and_changes_nothing(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    file = tmp_path / "key"
    file.write_text("no key")
    async with scene(tmp_path / "i") as it:
        desk = Desk(it)
        done = await desk.run(*(file if word == "FILE" else word for word in words))
        assert (done.code, done.out) == (2, "")
        assert desk.actions() == []
