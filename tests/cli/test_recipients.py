"""`recipients list|import|check|test` beside a gateway that serves."""

import asyncio
import contextlib
import datetime as dt
from pathlib import Path

import orjson
import pytest

from gateway.channels.simulator import BEHAVIOURS, HOST, NUMBERS
from gateway.cli.exits import Trouble
from gateway.cli.recipients import import_file
from gateway.config import load_config
from gateway.demo.servers.webhook import Answer
from gateway.instance import create
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import QuietHours, Recipient
from gateway.store import directory, sqlite
from keys import hpke
from keys.fingerprints import fingerprint
from keys.seal import open_sealed, recipient_key
from tests import canaries
from tests.gateway.tellings import Scene, scene
from tests.keys.authority import pem_of, root
from tests.support.command_line import Done, throughgate

SIMULATOR = "[simulator]\nenabled = true\n"


class Import:
    """An instance, and files of recipients to import into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "throughgate.toml"

    async def toml(self, *tables: str, more: tuple[str, ...] = ()) -> Done:
        file = self.folder / "recipients.toml"
        file.write_text("\n".join(tables))
        return await self.file(file, *more)

    async def file(self, file: Path, *more: str) -> Done:
        asked = (*more, "--without-asking")  # asking is test_consent's
        return await throughgate("recipients", "import", file, "--config", self.config, *asked)

    def held(self) -> dict[RecipientId, Recipient]:
        config = load_config(self.config)
        with contextlib.closing(
            sqlite.open_reader(config.path(config.instance.database))
        ) as reader:
            return dict(directory.recipients(reader))


@pytest.fixture
async def desk(tmp_path: Path) -> Import:
    await create(tmp_path / "i", name="throughgate.example/import", sections="")
    return Import(tmp_path / "i")


def recipient(id_: str, *endpoints: str, more: str = "") -> str:
    head = (
        f'[[recipient]]\nid = "{id_}"\norganisation = "Example"\norganisation_class = "police"\n'
        f'role = "police_offender_manager"\n{more}'
    )
    return "\n".join([head, *(f"[[recipient.endpoint]]\n{one}" for one in endpoints)])


def hook(*more: str, address: str = "https://hooks.example.org/a", key: str | None = None) -> str:
    public = key or hpke.generate()[1]
    lines = ['channel = "webhook"', f'address = "{address}"', f'key = "{public}"', *more]
    return "\n".join(lines)


async def test_keys_of_a_file_wait_to_be_confirmed_unless_somebody_stands_for_them(
    desk: Import,
) -> None:
    stated = hook('key_confirmed_by = "DPO-1"')
    done = await desk.toml(recipient("waiting", hook()), recipient("stated", stated))
    assert done.code == 0, done.err
    assert "Not used until its fingerprint is confirmed" in done.err
    assert "waiting/webhook" in done.err
    assert "stated/webhook" not in done.err
    by = {id_: one.endpoints[0].keys[0].confirmed_by for id_, one in desk.held().items()}
    assert by == {"waiting": None, "stated": "DPO-1"}
    told = await desk.file(desk.folder / "recipients.toml", "--confirmed-by", "DPO-2")
    assert (told.code, told.err) == (0, "")
    by = {id_: one.endpoints[0].keys[0].confirmed_by for id_, one in desk.held().items()}
    assert by == {"waiting": "DPO-2", "stated": "DPO-1"}


async def test_importing_again_adds_keys_and_takes_none_away(desk: Import) -> None:
    first, second = hpke.generate()[1], hpke.generate()[1]
    await desk.toml(recipient("police", hook(key=first)), more=("--confirmed-by", "DPO-1"))
    await desk.toml(recipient("police", hook(key=second)))
    held = desk.held()[RecipientId("police")].endpoints[0].keys
    assert [one.key.public for one in held] == [first, second]
    assert [one.confirmed_by for one in held] == ["DPO-1", None]


async def test_whatever_a_file_may_say_is_kept(desk: Import) -> None:
    more = (
        'areas = ["exampleshire"]\ndeputies = ["deputy"]\nduty_desk = "desk"\n'
        'quiet = "22:00-07:00"\ndigest = "07:30"\n'
    )
    done = await desk.toml(
        recipient(
            "police",
            hook(),
            hook("exercise = true", address="https://hooks.example.org/e"),
            'channel = "sms"\naddress = "07700 900123"\nstep = 2',
            more=more,
        ),
        recipient("deputy", hook()),
        recipient("desk", hook()),
    )
    assert done.code == 0, done.err
    held = desk.held()[RecipientId("police")]
    assert (held.deputies, held.duty_desk) == (("deputy",), "desk")
    assert held.quiet == QuietHours(begin=dt.time(22), end=dt.time(7))
    assert held.digest == dt.time(7, 30)
    assert [(one.id, one.step, one.exercise) for one in held.endpoints] == [
        ("police/webhook", 1, False),
        ("police/webhook-exercise", 1, True),
        ("police/sms", 2, False),
    ]
    listed = await throughgate("recipients", "list", "--json", "--config", desk.config)
    [row] = [one for one in listed.json["recipients"] if one["id"] == "police"]
    assert (row["deputies"], row["duty_desk"]) == (["deputy"], "desk")
    shown = await throughgate("recipients", "list", "--config", desk.config)
    for said in (listed.out, shown.out):
        assert "hooks.example.org" not in said
        assert "7700" not in said


def mail(pem: str, *more: str, address: str = "mappa@example.org") -> str:
    lines = [
        'channel = "email"',
        f'address = "{address}"',
        'key_form = "cms"',
        f"key = '''{pem}'''",
    ]
    return "\n".join(
        [*lines, 'smime = "gcm"' if not any("smime" in m for m in more) else "", *more]
    )


def refused_files() -> dict[str, str]:
    certificate = pem_of(root().issue(address="mappa@example.org"))
    return {
        "another-address": recipient("one", mail(certificate, address="other@example.org")),
        "cbc-without-consent": recipient("one", mail(certificate, 'smime = "cbc"')),
        "consent-without-cbc": recipient("one", mail(certificate, 'cbc_accepted = "REC-1"')),
        "unknown-trust": recipient("one", mail(certificate, 'trust = "blind"')),
        "unknown-route": recipient("one", mail(certificate, 'route = "cjsm"')),
        "no-key": recipient("one", 'channel = "webhook"\naddress = "https://hooks.example.org/a"'),
        "deputy-nobody": recipient("one", hook(), more='deputies = ["nobody"]\n'),
        "desk-nobody": recipient("one", hook(), more='duty_desk = "nobody"\n'),
        "quiet-never-ends": recipient("one", hook(), more='quiet = "22:00-22:00"\n'),
        "no-time": recipient("one", hook(), more='digest = "soon"\n'),
        "step": recipient("one", hook("step = 10")),
        "exercise": recipient("one", hook('exercise = "perhaps"')),
        "unknown-key": recipient("one", hook('colour = "red"')),
        "twice": recipient("one", hook()) + "\n" + recipient("one", hook()),
        "two-of-a-channel": recipient("one", hook(), hook()),
        "internal": recipient("one", hook(address="https://10.0.0.1/a")),
        "plain": recipient("one", hook(address="http://hooks.example.org/a")),
        "simulated-hook": recipient("one", hook(address=f"https://{HOST}/accepted")),
        "simulated-mail": recipient("one", f'channel = "email"\naddress = "slow@{HOST}"'),
        "simulated-text": recipient("one", f'channel = "sms"\naddress = "{min(NUMBERS)}"'),
        "simulated-mesh": recipient(
            "one",
            f'channel = "mesh"\naddress = "SIMULATE_SLOW"\nkey = "{hpke.generate()[1]}"',
        ),
    }


async def test_a_file_with_one_fault_is_refused_whole_without_quoting_it(desk: Import) -> None:
    async def refuse(name: str, table: str) -> None:
        file = desk.folder / f"{name}.toml"
        file.write_text(recipient("sound", hook()) + "\n" + table)
        with pytest.raises(Trouble, match="nothing was imported") as refused:
            await asyncio.to_thread(
                import_file, desk.config, file, confirmed_by=None, without_asking=True
            )
        assert refused.value.code == 2, name
        for value in ("@", "https://", "10.0.0.1", "07700", "447700", "thpk_"):
            assert value not in str(refused.value), name

    for name, table in refused_files().items():
        await refuse(name, table)
    assert desk.held() == {}


async def test_simulated_addresses_are_taken_where_the_simulator_is_enabled(
    desk: Import,
) -> None:
    desk.config.write_text(desk.config.read_text() + SIMULATOR)
    done = await desk.toml(
        *(recipient(one, hook(address=f"https://{HOST}/{one}")) for one in BEHAVIOURS)
    )
    assert done.code == 0, done.err
    assert set(desk.held()) == set(BEHAVIOURS)


async def test_cbc_is_taken_with_the_record_of_consent(desk: Import) -> None:
    (desk.folder / "anchors.pem").write_text(pem_of(root().issue(address="ca@example.org")))
    anchored = f'[certificates]\nanchors = ["{desk.folder / "anchors.pem"}"]\n'
    desk.config.write_text(desk.config.read_text() + anchored)
    certificate = pem_of(root().issue(address="mappa@example.org"))
    consented = mail(
        certificate, 'smime = "cbc"', 'cbc_accepted = "REC-2026-1"', 'trust = "anchor"'
    )
    assert (await desk.toml(recipient("one", consented))).code == 0
    [endpoint] = desk.held()[RecipientId("one")].endpoints
    assert (endpoint.smime, endpoint.cbc_accepted) == ("cbc", "REC-2026-1")
    assert [one.needs_vouching for one in endpoint.keys] == [True]
    by_hand = mail(certificate, 'trust = "confirmed"')
    assert (await desk.toml(recipient("one", by_hand))).code == 0
    [endpoint] = desk.held()[RecipientId("one")].endpoints
    assert [one.needs_vouching for one in endpoint.keys] == [False]
    back = mail(certificate, 'trust = "anchor"')
    assert (await desk.toml(recipient("one", back))).code == 0
    [endpoint] = desk.held()[RecipientId("one")].endpoints
    assert [one.needs_vouching for one in endpoint.keys] == [True]
    other = pem_of(root().issue(address="moved@example.org"))
    moved = mail(other, address="moved@example.org")
    assert (await desk.toml(recipient("one", moved))).code == 0
    [endpoint] = desk.held()[RecipientId("one")].endpoints
    assert [one.key.key_id for one in endpoint.keys] == [recipient_key("cms", other).key_id]


async def run(it: Scene, *words: object) -> Done:
    done = await throughgate(
        "recipients", *words, "--config", it.gateway.folder / "throughgate.toml"
    )
    assert canaries.found_in(done.out + done.err) == []
    assert not any(one.url in done.out + done.err for one in it.hooks.values())
    return done


async def test_check_looks_at_keys_and_at_consent(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        fit = await run(it, "check", "--json")
        assert fit.code == 0
        assert {one["endpoint"] for one in fit.json["ways"]} == {
            f"{name}/webhook" for name in it.hooks
        }
        it.hooks["police"].answers_now(Answer(status=403))
        refused = await run(it, "check", "police", "--json")
        [way] = refused.json["ways"]
        assert (refused.code, way["fit"]) == (1, False)
        assert "http-403" in way["verdict"]
        body = it.rows("SELECT body FROM recipient WHERE id = 'probation'")[0][0]
        held = orjson.loads(body)["endpoints"][0]["keys"][0]["key"]
        key = recipient_key("hpke", held["public"])
        await throughgate(
            "keys", "revoke", EndpointId("probation/webhook"), key.key_id, "--by", "DPO-EXAMPLE",
            "--config", it.gateway.folder / "throughgate.toml",
        )  # fmt: skip
        unfit = await run(it, "check", "probation")
        assert unfit.code == 1
        assert "no key may be used (revoked)" in unfit.out
        assert fingerprint(key) not in unfit.out
        assert (await run(it, "check", "nobody")).code == 2


async def answered_by_api(it: Scene, name: str) -> None:
    """Be a receiver that opens what comes and answers with the token inside."""
    while not it.hooks[name].received:
        await it.moment()
    opened = orjson.loads(open_sealed(it.hooks[name].received[-1].body, it.privates[name].encode()))
    answer = opened["answer"]
    path = "/" + answer["api"].split("/", 3)[3]
    async with it.gateway.session.post(
        it.gateway.url + path,
        json={"answer": "acknowledged", "by": "duty-1"},
        headers={"Authorization": f"Bearer {answer['token']}"},
    ) as reply:
        assert reply.status == 200, await reply.text()


async def test_a_test_alert_goes_the_whole_way_and_waits_for_its_answer(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        done, _ = await asyncio.gather(
            run(it, "test", "police", "--within", "60", "--json"), answered_by_api(it, "police")
        )
        assert (done.code, done.json["state"]) == (0, "acknowledged")
        [told] = it.told("police")
        assert told["message_type"] == "TEST"
        assert told["message_id"] == done.json["alert"]
        assert canaries.found_in(orjson.dumps(told).decode()) == []
        assert "facts" not in told
        assert it.messages() == {"police": ["TEST"]}
        [disclosed] = it.gateway.entries("disclosure")
        assert (disclosed["message"], disclosed["reason"]) == ("TEST", "test")
        assert disclosed["grants"] == []


async def test_a_test_alert_that_nobody_answers_ends_with_1(tmp_path: Path) -> None:
    async with scene(tmp_path, away=("probation",)) as it:
        silent = await run(it, "test", "police", "--within", "3")
        assert silent.code == 1
        assert "nobody answered within 3 s" in silent.out
        away = await run(it, "test", "probation", "--within", "2", "--json")
        assert away.code == 1
        assert away.json["state"] not in {"acknowledged", "delivered"}
        assert (await run(it, "test", "nobody")).code == 2
