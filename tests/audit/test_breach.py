"""Question 10: what was exposed, whose, since when, and who must be told by when."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.audit import found as looked_up
from gateway.audit.answer import Answer
from gateway.audit.breach import Compromised, Kind, breach
from gateway.audit.scope import EVERYTHING, Scope
from gateway.disclosure_log import entry
from gateway.model.ids import AlertId, EndpointId, PersonRef
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from keys.fingerprints import fingerprint
from tests.audit.evidence import NOW, OTHER, THEN, Desk, column, desk, later
from tests.gateway.nights import Sleeper, night
from tests.store.stores import PRISON, logging

SLEEPER = Sleeper(
    name="police", role="police_offender_manager", organisation_class="police", number="07700900001"
)

_ALERT = (
    "INSERT INTO alert (id, event, person, recipient, message, urgent, exercise, decided_at,"
    " answered_at, slot) VALUES (?, ?, ?, 'police', 'NOTIFY', 0, 0, 0, ?, 0)"
)


def police_key(at: Desk) -> str:
    return at.directory.recipients["police"].endpoints[0].keys[0].key.key_id  # type: ignore[index]


async def asked(
    at: Desk, kind: Kind, id_: str, scope: Scope = EVERYTHING, *, since_days: int = 1
) -> Answer:
    what = Compromised(kind=kind, id=id_)
    return await at.ask(
        lambda asking: breach(
            asking, what, since=later(since_days), discovered=NOW - timedelta(hours=10)
        ),
        scope,
    )


async def test_a_key_opens_all_that_was_ever_sealed_to_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "police")
        await at.told(await at.event(2), "police", at=later(2))
        await at.told(event, "probation", at=later(2))
        found = await asked(at, "key", police_key(at))
    assert column(found, "period") == ["before", "since then"]
    assert column(found, "exposed") == ["content sealed to this key"] * 2
    assert column(found, "groups") == ["who the person is; custody and release"] * 2
    assert column(found, "controller") == [PRISON] * 2
    assert found.entries == tuple(column(found, "entry"))
    reading = " ".join(found.reading)
    assert "2 entries about 2 people" in reading
    assert "whoever has the key" in reading
    assert f"Tell {PRISON} (prison): 2 entries about 2 people" in reading


async def test_a_fingerprint_is_as_good_as_the_keys_id(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.told(await at.event(), "police")
        held = at.directory.recipients["police"].endpoints[0].keys[0].key  # type: ignore[index]
        found = await asked(at, "key", fingerprint(held))
        nothing = await asked(at, "key", "0" * 64)
    assert found.asked["key"] == held.key_id
    assert len(found.rows) == 1
    assert nothing.rows == ()
    assert "nothing of yours" in nothing.reading[1]


async def test_what_was_sealed_to_it_later_is_found_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        alert = await at.told(event, "police", key_id="an-older-key")
        sealing = entry.sealing(
            at=later(2),
            alert=alert,
            endpoint=EndpointId("police/webhook"),
            channel="webhook",
            form="sealed",
            reason="revoked",
            key_id=police_key(at),
        )
        await at.store.commit(logging(sealing.encode()))

        def kept(connection: Connection) -> Staged[None]:
            connection.execute(_ALERT, (alert, event.ref, event.person, None))
            return Staged(None)

        await at.store.commit(kept)
        found = await asked(at, "key", police_key(at))
        ours = await asked(at, "key", police_key(at), Scope(agencies=frozenset({PRISON})))
        theirs = await asked(at, "key", police_key(at), Scope(agencies=frozenset({OTHER})))
    assert (ours.rows, theirs.rows) == (found.rows, ())
    assert column(found, "alert") == [alert]
    assert column(found, "person") == [event.person]
    assert column(found, "at") == ["2026-03-04T09:30:00.000Z"]


async def test_an_endpoint_gives_away_only_what_its_form_carried(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "police", at=later(2))
        await at.told(event, "police", at=later(3), form="notice", key_id=None)
        found = await asked(at, "endpoint", "police/webhook")
    assert column(found, "exposed") == ["sealed content, without its key", "a notice without facts"]
    assert column(found, "groups") == ["who the person is; custody and release", ""]


async def test_an_agencys_key_forges_events_and_reads_timelines(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()  # accepted on the 2nd of March
        await at.told(event, "police")
        for shown in (3, 0):
            looked = entry.question(
                at=later(2),
                what="timeline",
                person=PersonRef("per_" + "1" * 32),
                reader="police",
                agency=PRISON,
                shown=shown,
            )
            await at.store.commit(logging(looked.encode()))
        early = await asked(at, "agency", PRISON, since_days=-1)
        late = await asked(at, "agency", PRISON)
        other = await asked(at, "agency", OTHER, since_days=-1)
    assert column(early, "exposed") == [
        "event that may be forged",
        "told on this agency's word",
        "timeline of 3 events read over HTTP",
    ]
    assert column(late, "exposed") == ["timeline of 3 events read over HTTP"]
    assert other.rows == ()


async def test_a_controller_is_told_of_its_own_alone(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.told(await at.event(), "police", at=later(2))
        key = police_key(at)
        ours = await asked(at, "key", key, Scope(agencies=frozenset({PRISON})))
        theirs = await asked(at, "key", key, Scope(agencies=frozenset({OTHER})))
    assert (len(ours.rows), len(theirs.rows)) == (1, 0)


@pytest.mark.parametrize(
    ("hours", "said"),
    [(10, "62 hours are left"), (80, "that was 8 hours ago")],
    ids=["in-time", "late"],
)
async def test_the_clock_runs_from_the_discovery(tmp_path: Path, hours: int, said: str) -> None:
    async with desk(tmp_path) as at:
        found = await at.ask(
            lambda asking: breach(
                asking,
                Compromised(kind="key", id="a-key"),
                since=THEN,
                discovered=NOW - timedelta(hours=hours),
            )
        )
    assert said in found.reading[0]
    assert "72 hours (s.67(1))" in found.reading[0]


@pytest.mark.parametrize(
    ("state", "attempts", "answered", "left", "read"),
    [
        ("accepted", 1, None, "yes", "unread"),
        ("accepted", 1, 5, "yes", "answered"),
        ("pending", 0, None, "not yet", "unread"),
        ("pending", 2, None, "tried: it may have", "unread"),
        ("withheld", 0, None, "no", "unread"),
        ("dead", 3, None, "tried: it may have", "unread"),
    ],
    ids=["left", "answered", "waiting", "tried", "withheld", "dead"],
)
async def test_whether_it_left_and_was_read(
    tmp_path: Path, state: str, attempts: int, answered: int | None, left: str, read: str
) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        alert = await at.told(event, "police", at=later(2))

        def rows(connection: Connection) -> Staged[None]:
            connection.execute(_ALERT, (alert, event.ref, event.person, answered))
            connection.execute(
                "INSERT INTO outbox (alert, endpoint, event, person, recipient, channel, form,"
                " message, leaf_index, urgent, exercise, step, digest, state, attempts, next_at,"
                " decided_at, key_id, slot, sealed, proof) VALUES (?, 'police/webhook', ?, ?,"
                " 'police', 'webhook', 'sealed', 'NOTIFY', 0, 0, 0, 1, 0, ?, ?, 0, 0, ?, 0, x'',"
                " '')",
                (alert, event.ref, event.person, state, attempts, police_key(at)),
            )
            return Staged(None)

        await at.store.commit(rows)
        found = await asked(at, "key", police_key(at))
    assert (column(found, "left"), column(found, "read")) == ([left], [read])
    waiting = any("Still to leave" in one for one in found.reading)
    assert waiting is (left == "not yet")


async def test_a_real_alert_over_a_real_webhook(tmp_path: Path) -> None:
    async with night(tmp_path, [SLEEPER]) as real:
        await real.happens("release.planned")
        at = Desk(store=real.store, directory=real.directory)
        (alert,) = real.rows("SELECT DISTINCT alert FROM outbox")[0]
        found = await asked(at, "key", police_key(at), since_days=-1)
    assert column(found, "alert") == [AlertId(alert)]
    assert column(found, "left") == ["yes"]
    assert column(found, "read") == ["unread"]
    assert "identity" not in " ".join(found.reading)
    assert "Still unread: 1 alert" in " ".join(found.reading)


async def test_a_list_that_is_not_whole_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked_up, "_PAGE", 2)
    monkeypatch.setattr(looked_up.every, "__kwdefaults__", {"after": None, "most": 3})
    async with desk(tmp_path) as at:
        event = await at.event()
        for _ in range(3):
            await at.told(event, "police")
        three = await asked(at, "key", police_key(at))
        await at.told(event, "police")
        four = await asked(at, "key", police_key(at))
    assert len(three.rows) == len(four.rows) == 3
    assert not any("NOT WHOLE" in one for one in three.reading)
    assert "NOT WHOLE" in four.reading[1]
