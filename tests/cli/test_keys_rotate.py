"""`keys rotate` and `keys erase-person` beside a serving gateway, killed at any point too."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.config import BadConfig, load_config
from gateway.demo.cast import AREA
from gateway.instance import load_keys
from gateway.model.ids import PersonRef
from gateway.store import rewrap, sqlite
from keys.at_rest import KeyEncryptionKey
from keys.problem import KeyProblem
from keys.providers import file as key_file
from keys.providers.aws_kms import KmsKey
from keys.providers.pkcs11 import TokenSigner
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release
from tests.store.stores import column
from tests.support.events import noms
from tests.support.night import LONG
from tests.support.tokens import (
    REGION,
    KmsServer,
    aws_credentials,
    new_token_key,
    signing_pair,
    soft_hsm,
)

PERSONS = 9


class Desk:
    """A command line beside a gateway that serves."""

    def __init__(self, served: Gateway) -> None:
        self.served = served
        self.config = served.folder / "throughgate.toml"
        self.database = served.config.path(served.config.instance.database)

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            *words,
            "--config",
            str(self.config),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command; whatever it prints holds no mark of a person and no key."""
        started = await self.start(*words)
        out, err = (part.decode() for part in await started.communicate())
        for mark in (*canaries.MARKS, "thkek_"):
            assert mark not in out + err
        assert "Traceback" not in err
        return started.returncode or 0, out, err

    async def post(self, number: int, id_: str = "evt") -> None:
        event = planned_release(f"{id_}-{number}")
        event["data"]["identifiers"] = {"noms": noms(number)}
        assert (await self.served.post(event))[0] == 202

    def persons(self) -> list[PersonRef]:
        return [PersonRef(ref) for ref in column(self.database, "SELECT ref FROM person")]

    def ring(self) -> Any:
        return load_keys(load_config(self.config)).key_encryption_key

    def left(self) -> int:
        reader = sqlite.open_reader(self.database)
        try:
            return rewrap.remaining(reader, self.ring().id)
        finally:
            reader.close()

    def write_keys(self, text: str) -> None:
        self.config.write_text(self.config.read_text() + text)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with gateway(tmp_path / "i") as served:
        made = Desk(served)
        for number in range(PERSONS):
            await made.post(number)
        yield made


ROTATE = ("keys", "rotate", "--by", "duty-officer")


async def test_a_rotation_beside_a_serving_gateway(desk: Desk) -> None:
    first = desk.ring().id
    code, out, err = await desk.run(*ROTATE)
    assert code == 0, err
    ring = desk.ring()
    assert (ring.id != first, set(ring.ids)) == (True, {ring.id, first})
    assert ring.id in out
    assert "key-encryption-key.2" in out
    assert "destroy them" in out
    assert f"{PERSONS + 1} of {PERSONS + 1}" in err
    assert desk.left() == 0
    await desk.post(0, "again")  # somebody known: under a key the gateway had not met
    await desk.post(99)  # somebody new
    assert desk.left() == 0, "the gateway wraps with the new key"
    kept = desk.served.config.path(Path("keys/key-encryption-key"))
    kept.unlink()
    assert desk.ring().ids == (ring.id,)
    assert (await desk.run("log", "verify"))[0] == 0
    rotated = [one for one in desk.served.entries("directory") if one["action"] == "kek-rotated"]
    assert [(one["subject"], one["actor"]) for one in rotated] == [(ring.id, "duty-officer")]


async def test_rotating_again_makes_a_third_key(desk: Desk) -> None:
    for _ in range(2):
        assert (await desk.run(*ROTATE))[0] == 0
    assert len(desk.ring().ids) == 3
    assert desk.left() == 0


@pytest.mark.parametrize("after", [1, PERSONS] if LONG else [1])
async def test_a_rotation_killed_goes_on_with_the_key_it_made(desk: Desk, after: int) -> None:
    started = await desk.start(*ROTATE, "--batch", "1")
    assert started.stderr is not None
    for _ in range(after):
        assert b" of " in await started.stderr.readline()
    started.send_signal(signal.SIGKILL)
    await started.communicate()
    made = desk.ring()
    assert len(made.ids) == 2
    assert desk.left() <= PERSONS + 1 - after
    reader = sqlite.open_reader(desk.database)
    for ref, wrapped in reader.execute("SELECT ref, wrapped_key FROM person").fetchall():
        keys = [key_file.load(one) for one in _key_files(desk)]
        opening = [key for key in keys if _opens(key, wrapped, ref)]
        assert len(opening) == 1
    reader.close()
    for number in range(PERSONS):  # the gateway opens every one of them still
        await desk.post(number, "again")
    assert (await desk.run(*ROTATE))[0] == 0
    assert desk.ring().ids == made.ids, "no third key"
    assert desk.left() == 0


def _key_files(desk: Desk) -> list[Path]:
    return key_file.files(desk.served.config.path(desk.served.config.instance.key_encryption_key))


def _opens(key: KeyEncryptionKey, wrapped: Any, ref: Any) -> bool:
    try:
        return len(key.unwrap(wrapped, b"person-key:" + ref.encode())) == 32
    except KeyProblem:
        return False


async def test_from_a_file_to_a_token_and_on_to_kms(desk: Desk, tmp_path: Path) -> None:
    hsm = soft_hsm()
    hsm.add("throughgate")
    token = hsm.token("throughgate")
    held = new_token_key(token, "kek-2026")
    place = f'module = "{hsm.module}"\ntoken = "throughgate"\npin_file = "{hsm.pin_file}"\n'
    before = desk.config.read_text()
    in_token = f'[keys]\nprovider = "pkcs11"\nkey = "kek-2026"\n[keys.pkcs11]\n{place}'
    desk.write_keys(in_token + '[[keys.retired]]\nprovider = "file"\n')
    code, out, err = await desk.run(*ROTATE)
    assert code == 0, err
    assert held.id in out
    assert desk.left() == 0
    await desk.post(50)  # takes the configuration in as it now is
    assert desk.left() == 0
    aws_credentials()
    server = KmsServer()
    key = server.new_key()
    desk.config.write_text(before)
    desk.write_keys(
        f'[keys]\nprovider = "aws-kms"\nkey = "{key}"\n[keys.pkcs11]\n{place}'
        f'[keys.kms]\nregion = "{REGION}"\nendpoint_url = "{server.url}"\n'
        '[[keys.retired]]\nprovider = "pkcs11"\nkey = "kek-2026"\n'
    )
    code, out, err = await desk.run(*ROTATE)
    assert code == 0, err
    assert KmsKey(server.client(), key).id in out
    assert desk.left() == 0
    assert (await desk.run(*ROTATE))[1].startswith("Nothing to do")
    server.stop()
    code, _, err = await desk.run("person", "show", desk.persons()[0], "--by", "x", "--reason", "y")
    assert (code, "KMS" in err) == (2, True), "it fails closed, in words"


async def test_an_instance_whose_log_and_webhooks_are_signed_in_a_token(tmp_path: Path) -> None:
    hsm = soft_hsm()
    hsm.add("signing")
    token = hsm.token("signing")
    for label in ("log-2026", "hooks-2026"):
        signing_pair(token, label, edwards=True)
    sections = (
        f'[keys.pkcs11]\nmodule = "{hsm.module}"\ntoken = "signing"\npin_file = "{hsm.pin_file}"\n'
        '[keys.log]\nprovider = "pkcs11"\nkey = "log-2026"\n'
        '[keys.webhook]\nprovider = "pkcs11"\nkey = "hooks-2026"\n'
    )
    async with gateway(tmp_path / "i", sections=sections) as served:
        desk = Desk(served)
        await desk.post(1)
        assert sorted(one.name for one in (served.folder / "keys").iterdir()) == [
            "key-encryption-key",
            "mail-certificate.pem",
            "mail-key.pem",
        ]
        assert (await desk.run("log", "verify"))[0] == 0
        code, out, err = await desk.run("keys", "show")
        assert code == 0, err
        assert TokenSigner(token, "hooks-2026").public_text in out
        assert (served.folder / "log.vkey").read_text().strip() in out


async def test_the_key_of_the_log_is_rotated_in_a_token_while_it_serves(tmp_path: Path) -> None:
    hsm = soft_hsm()
    hsm.add("rotating")
    token = hsm.token("rotating")
    for label in ("log-2026", "log-2027"):
        signing_pair(token, label, edwards=True)
    place = (
        f'[keys.pkcs11]\nmodule = "{hsm.module}"\ntoken = "rotating"\npin_file = "{hsm.pin_file}"\n'
    )
    old = '[keys.log]\nprovider = "pkcs11"\nkey = "log-2026"\n'
    new = (
        '[keys.log]\nprovider = "pkcs11"\nkey = "log-2027"\n'
        '[[keys.log.retiring]]\nprovider = "pkcs11"\nkey = "log-2026"\n'
    )
    async with gateway(tmp_path / "i", sections=place + old) as served:
        desk = Desk(served)
        await desk.post(1)
        assert (await desk.run("log", "rotate-key", "--by", "ops-1"))[0] == 2, "no second key yet"
        config = served.folder / "throughgate.toml"
        config.write_text(config.read_text("utf-8").replace(old, new), "utf-8")
        code, _, err = await desk.run("log", "rotate-key", "--by", "ops-1")
        assert code == 0, err
        await desk.post(2)
        assert signatures(served) == 2, "the serving gateway signs with both"
        assert (await desk.run("log", "rotate-key", "--finish", "--by", "ops-1"))[0] == 0
        await desk.post(3)
        assert signatures(served) == 1
        assert (await desk.run("log", "verify"))[0] == 0
        actions = [one["action"] for one in served.entries("log-key")]
        assert actions == ["added", "retired"]


def signatures(served: Gateway) -> int:
    """Return how many keys signed the newest checkpoint."""
    notes = column(
        served.folder / "throughgate.db", "SELECT note FROM log_checkpoint ORDER BY size"
    )
    return str(notes[-1]).count("\u2014 ")


@pytest.mark.parametrize(
    "sections",
    [
        '[keys]\nprovider = "pkcs11"\n',
        '[keys]\nprovider = "pkcs11"\nkey = "kek"\n',
        '[keys]\nprovider = "aws-kms"\n',
        '[keys.log]\nprovider = "aws-kms"\nkey = "11111111-2222-3333-4444-555555555555"\n',
        '[keys.kms]\nendpoint_url = "http://kms.example.org"\n',
        '[keys]\nprovider = "vault"\nkey = "x"\n',
        "[keys]\nnonsense = 1\n",
    ],
)
def test_a_configuration_that_names_no_usable_key_is_refused(tmp_path: Path, sections: str) -> None:
    file = tmp_path / "throughgate.toml"
    file.write_text(f'[instance]\nname = "x.example"\n{sections}')
    with pytest.raises(BadConfig) as caught:
        load_config(file)
    assert "key" in str(caught.value)


@pytest.mark.parametrize("by", ["", "somebody@example.org", "x" * 65])
async def test_who_rotates_is_a_role_or_staff_id(desk: Desk, by: str) -> None:
    assert (await desk.run("keys", "rotate", "--by", by))[0] == 2
    assert len(desk.ring().ids) == 1


async def test_an_erased_person_is_known_to_no_command(desk: Desk) -> None:
    (person, *_rest) = desk.persons()
    erase = ("keys", "erase-person", person, "--by", "dpo", "--reason", "art-17-request")
    code, out, err = await desk.run(*erase, "--json")
    assert code == 0, err
    proposed = orjson.loads(out)
    assert proposed["carried_out"] is False
    assert desk.served.entries("erasure") == [], "proposing erases nobody"
    approve = ("approvals", "approve", proposed["approval"], "--by")
    assert (await desk.run(*approve, "dpo"))[0] == 1, "nobody approves their own"
    code, out, err = await desk.run(*approve, "dpo-2", "--json")
    assert code == 0, err
    done = orjson.loads(out)
    assert (done["verdict"], done["folded"]) == ("approved", True)
    assert (await desk.run(*erase))[0] == 1
    code, _, err = await desk.run("person", "show", person, "--by", "x", "--reason", "y")
    assert (code, "nobody known" in err) == (1, True)
    assert (await desk.run("log", "verify"))[0] == 0
    code, _, err = await desk.run("stats", "--year", "2025-26", "--area", AREA)
    assert (code, "1 records do not open" in err) == (0, True)
    (entry,) = desk.served.entries("erasure")
    assert (entry["person"], entry["actor"], entry["reason"]) == (person, "dpo-2", "art-17-request")
    for number in range(PERSONS):  # whoever it was is somebody new
        await desk.post(number, "after")
    assert len(desk.persons()) == PERSONS + 1
    assert (await desk.run(*ROTATE))[0] == 0, "nothing of theirs is left to wrap anew"


@pytest.mark.parametrize(
    ("ref", "reason"),
    [("per_1", "code"), ("Testerson", "code"), ("per_" + "0" * 32, "Because of Testerson")],
)
async def test_what_is_no_reference_or_no_code_erases_nobody(
    desk: Desk, ref: str, reason: str
) -> None:
    code, _, err = await desk.run("keys", "erase-person", ref, "--by", "dpo", "--reason", reason)
    assert code == 2, err
    assert desk.served.entries("erasure") == []
