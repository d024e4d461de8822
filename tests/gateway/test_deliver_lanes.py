"""Lanes over a real store: breakers, rates, pauses, ways round, digests, on a clock we turn."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.deliver import MAX_IN_MEMORY
from gateway.delivery.lane import DEPTH, FLOOR
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from gateway.model.party import Endpoint
from gateway.store import outbox
from gateway.store.group_commit import Staged
from gateway.store.outbox import OutboxRow
from gateway.store.times import moment
from tests.gateway.delivering import Scene, endpoint_of, scene
from tests.store.owing import MINUTE, Way, due, owe
from tests.store.stores import NOW, column, entries

DEAD = "dead/webhook"
ELSEWHERE = Way(endpoint="alive/webhook")
GONE = Way(endpoint=DEAD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "throughgate.db"


class Far:
    """A far side whose dead endpoint can be brought back."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.outcome: Outcome = outcome or Deferred(reason="connect")
        self.back = False

    async def deliver(self, parcel: Parcel) -> Outcome:
        return self.outcome if parcel.endpoint == DEAD and not self.back else Accepted()


def logged(path: Path, op: str = "attempt") -> list[dict[str, Any]]:
    found = [orjson.loads(one) for one in entries(path)]
    return [one for one in found if one["op"] == op]


def at_dead(stage: Scene) -> list[str]:
    return [one.alert for one in stage.channel.parcels if one.endpoint == DEAD]


async def test_an_open_breaker_leaves_an_endpoint_alone_and_nothing_is_lost(path: Path) -> None:
    far = Far()
    async with scene(path, far.deliver) as stage:
        for number in range(50):
            await owe(stage.store, number, f"alt_{number:02}", GONE, minute=number / 1000)
        await stage.pass_time(29)
        # What was under way together when it opened was let end.
        assert len(at_dead(stage)) <= 32
        tried = len(at_dead(stage))
        assert len(logged(path)) == tried, "what is not attempted is not logged"
        attempts = column(path, "SELECT attempts FROM outbox ORDER BY alert")
        assert sum(attempts) == tried
        assert max(attempts) == 1, "and climbs no ladder"
        assert stage.deliverer.taken == set(), "nor does it stay in memory"
        await stage.pass_time(60)
        assert len(at_dead(stage)) == tried + 1, "one probe"
        far.back = True
        await stage.pass_time(20 * 60, step=5)
        assert set(stage.states().values()) == {"accepted"}


async def test_the_probe_is_the_oldest_urgent_else_the_oldest(path: Path) -> None:
    far = Far()
    async with scene(path, far.deliver) as stage:
        for number in range(40):
            await owe(stage.store, number, f"alt_{number:02}", GONE, minute=number / 1000)
        await stage.pass_time(3)
        tried = set(at_dead(stage))
        first = len(at_dead(stage))
        await owe(stage.store, 50, "alt_urgent_2", GONE, minute=0.02, urgent=True)
        await owe(stage.store, 51, "alt_urgent_1", GONE, minute=0.01, urgent=True)
        await stage.pass_time(60)
        assert at_dead(stage)[first:] == ["alt_urgent_1"]
        await stage.pass_time(120)
        assert at_dead(stage)[first:] == ["alt_urgent_1", "alt_urgent_2"]
        assert "alt_urgent_1" not in tried


async def test_after_an_outage_all_leaves_in_order_per_person(path: Path) -> None:
    far = Far()
    async with scene(path, far.deliver, give_up_after=dt.timedelta(days=1)) as stage:
        for number in range(60):
            await owe(stage.store, number % 4, f"alt_{number:02}", GONE, minute=number / 1000)
        await stage.pass_time(3600, step=30)
        far.back = True
        before = len(at_dead(stage))
        await stage.pass_time(3600, step=5)
        left = at_dead(stage)[before:]
        assert set(stage.states().values()) == {"accepted"}
        for person in range(4):
            mine = [one for one in left if int(one[4:]) % 4 == person]
            assert mine == sorted(mine)


async def test_no_breaker_opens_for_an_endpoint_that_answers(path: Path) -> None:
    far = Far(Deferred(reason="http-404"))
    async with scene(path, far.deliver) as stage:
        for number in range(10):
            await owe(stage.store, number, f"alt_{number}", GONE)
        await stage.pass_time(20)
        assert len(at_dead(stage)) == 20, "each climbs its own ladder"


async def test_an_endpoint_out_of_reach_for_good_ends_visibly(path: Path) -> None:
    async with scene(path, Far().deliver) as stage:
        for number in range(40):
            await owe(stage.store, number, f"alt_{number:02}", GONE)
        await stage.pass_time(3700, step=20)
        assert set(stage.states().values()) == {"dead"}
        reasons = set(column(path, "SELECT reason FROM outbox"))
        assert reasons <= {"connect", "unreachable"}
    ended = [one for one in logged(path) if one["outcome"] == "dead"]
    assert len(ended) == 40


async def test_an_urgent_alert_goes_round_an_open_breaker_and_a_routine_one_in_time(
    path: Path,
) -> None:
    far = Far()
    text = Way(endpoint="dead/sms", channel="sms", form="pointer", step=2)
    async with scene(path, far.deliver, step_after=dt.timedelta(minutes=3)) as stage:
        for number in range(6):
            await owe(stage.store, number, f"alt_{number}", GONE)
        await stage.sweep()
        await owe(stage.store, 8, "alt_urgent", GONE, text, urgent=True)
        await owe(stage.store, 9, "alt_routine", GONE, text)
        await stage.pass_time(10)
        assert stage.states()["alt_urgent dead/sms"] == "accepted"
        assert stage.states()["alt_routine dead/sms"] == "waiting"
        await stage.pass_time(200)
        assert stage.states()["alt_routine dead/sms"] == "accepted"
    told = [(one["alert"], one["to"]) for one in logged(path, "escalation")]
    assert told == [("alt_urgent", "dead/sms"), ("alt_routine", "dead/sms")]


async def test_an_urgent_alert_that_opened_the_breaker_itself_goes_round_it(path: Path) -> None:
    text = Way(endpoint="dead/sms", channel="sms", form="pointer", step=2)
    async with scene(path, Far().deliver) as stage:
        await owe(stage.store, 1, "alt_urgent", GONE, text, urgent=True)
        await stage.pass_time(10 * 60, step=2)
        assert stage.states()["alt_urgent dead/sms"] == "accepted"
        assert len(at_dead(stage)) >= 5


async def test_an_endpoints_own_rate_is_kept_urgent_first_and_others_do_not_wait(
    path: Path,
) -> None:
    def twelve(id_: EndpointId) -> Endpoint:
        return dataclasses.replace(endpoint_of(id_), per_minute=12 if id_ == DEAD else None)

    far = Far()
    far.back = True
    async with scene(path, far.deliver, endpoint_of=twelve) as stage:
        for number in range(30):
            await owe(stage.store, number, f"alt_{number:02}", GONE)
        await owe(stage.store, 29, "alt_urgent", GONE, urgent=True)
        for number in range(30):
            await owe(stage.store, number, f"alt_other_{number}", ELSEWHERE)
        await stage.sweep()
        assert at_dead(stage) == ["alt_urgent"]
        assert len(stage.channel.parcels) == 31
        await stage.pass_time(59.9, step=0.1)
        assert 11 <= len(at_dead(stage)) <= 12
        await stage.pass_time(120, step=0.5)
        assert len(at_dead(stage)) == 31


async def test_too_many_requests_pause_the_endpoint_and_nobody_else(path: Path) -> None:
    far = Far(Deferred(reason="http-429", after=dt.timedelta(seconds=90)))
    async with scene(path, far.deliver) as stage:
        await owe(stage.store, 1, "alt_1", GONE)
        await stage.sweep()
        far.back = True
        await owe(stage.store, 2, "alt_2", GONE)
        await owe(stage.store, 3, "alt_3", ELSEWHERE)
        await stage.pass_time(89)
        assert at_dead(stage) == ["alt_1"]
        assert stage.states()["alt_3 alive/webhook"] == "accepted"
        await stage.pass_time(2)
        assert sorted(at_dead(stage)) == ["alt_1", "alt_1", "alt_2"]


async def test_memory_is_bounded_and_every_endpoint_has_room(path: Path) -> None:
    async with scene(path) as stage:
        row = (await _one_row(stage))[0]
        taken = 0
        for endpoint in range(8):
            for number in range(DEPTH + 50):
                made = dataclasses.replace(
                    row,
                    alert=AlertId(f"alt_{endpoint}_{number}"),
                    endpoint=EndpointId(f"e{endpoint}/webhook"),
                )
                taken += stage.deliverer.take(made)
        assert len(stage.deliverer.taken) == taken
        assert taken == MAX_IN_MEMORY + FLOOR * (8 - MAX_IN_MEMORY // DEPTH)
        stage.deliverer._taken.drop(tuple(stage.deliverer.taken))


async def _one_row(stage: Scene) -> list[OutboxRow]:
    await owe(stage.store, 1, "alt_1")
    return due(stage.store)


def digest_way(not_before: dt.datetime) -> Way:
    return Way(
        endpoint="police/email", channel="email", form="notice", digest=True, not_before=not_before
    )


async def test_a_digest_is_one_notice_with_each_alerts_reference_and_link(path: Path) -> None:
    morning = NOW + 60 * MINUTE
    async with scene(path) as stage:
        for number in range(3):
            await owe(stage.store, number, f"alt_00000000000{number}", digest_way(morning))
        await owe(stage.store, 9, "alt_alone", Way(endpoint="police/email", channel="email"))
        await stage.pass_time(3599, step=600)
        assert stage.channel.seen == ["alt_alone"]
        await stage.pass_time(2)
        (_alone, digest) = stage.channel.parcels
        assert digest.alert == "alt_000000000000", "Message-ID is the first one's"
        text = digest.sealed.decode()
        for number in range(3):
            assert f"000-000-000-00{number}" in text
            assert f"https://gateway.example/alt_00000000000{number}/police/email/0" in text
        assert set(stage.states().values()) == {"accepted"}
    accepted = [one for one in logged(path) if one["endpoint"] == "police/email"]
    assert len(accepted) == 4
    assert all(one["number"] == 1 for one in accepted)


async def test_a_failed_digest_leaves_again_with_what_is_due_then(path: Path) -> None:
    answers: list[Outcome] = [Deferred(reason="smtp-451")]

    async def deliver(_parcel: Parcel) -> Outcome:
        return answers.pop() if answers else Accepted()

    async with scene(path, deliver) as stage:
        for number in (1, 2):
            await owe(stage.store, number, f"alt_{number}", digest_way(NOW + MINUTE))
        await stage.pass_time(60)
        (again,) = set(column(path, "SELECT next_at FROM outbox"))
        await owe(stage.store, 3, "alt_3", digest_way(moment(again)), minute=0.5)
        await stage.store.commit(_withhold)
        await stage.pass_time(30)
        assert len(stage.channel.parcels) == 2
        last = stage.channel.parcels[-1].sealed.decode()
        assert [f"/alt_{number}/" in last for number in (1, 2, 3)] == [True, False, True]
        assert stage.states() == {
            "alt_1 police/email": "accepted",
            "alt_2 police/email": "withheld",
            "alt_3 police/email": "accepted",
        }


def _withhold(connection: Any) -> Staged[None]:
    return Staged(None, outbox.withhold(connection, AlertId("alt_2"), "retracted", NOW))


async def test_each_attempt_is_prepared_and_what_cannot_be_is_tried_again(path: Path) -> None:
    usable: list[bytes] = []

    async def prepare(row: OutboxRow) -> OutboxRow | Deferred:
        if not usable:
            return Deferred(reason="key-revoked")
        return dataclasses.replace(row, sealed=usable[0], key_id="key-2")

    async with scene(path, prepare=prepare) as stage:
        await owe(stage.store, 1, "alt_1")
        await stage.sweep()
        assert stage.channel.parcels == []
        assert set(stage.states().values()) == {"pending"}
        usable.append(b'{"sealed":"anew"}')
        await stage.pass_time(11)
        (parcel,) = stage.channel.parcels
        assert (parcel.sealed, parcel.attempt) == (b'{"sealed":"anew"}', 2)
    assert [one.get("reason") for one in logged(path)] == ["key-revoked", None]


async def test_a_fault_in_preparing_climbs_the_ladder_and_stops_nobody(path: Path) -> None:
    async def prepare(row: OutboxRow) -> OutboxRow | Deferred:
        if row.alert == "alt_1":
            raise LookupError
        return row

    async with scene(path, prepare=prepare) as stage:
        await owe(stage.store, 1, "alt_1")
        await owe(stage.store, 2, "alt_2")
        await stage.pass_time(3)
        assert stage.channel.seen == ["alt_2"]
    assert [one.get("reason") for one in logged(path)].count("fault-LookupError") == 1


@pytest.mark.parametrize("exercise", [True, False])
async def test_an_exercise_never_takes_a_live_route_nor_the_other_way_round(
    path: Path, exercise: bool
) -> None:
    def of(id_: EndpointId) -> Endpoint:
        return dataclasses.replace(endpoint_of(id_), exercise=exercise)

    async with scene(path, endpoint_of=of) as stage:
        await owe(stage.store, 1, "alt_1")
        await stage.sweep()
        if exercise:
            assert stage.channel.parcels == []
            assert set(stage.states().values()) == {"rejected"}
            assert column(path, "SELECT reason FROM outbox") == ["exercise"]
        else:
            assert set(stage.states().values()) == {"accepted"}


async def test_the_directory_says_where_and_by_which_route(path: Path) -> None:
    def of(id_: EndpointId) -> Endpoint:
        return dataclasses.replace(endpoint_of(id_), address="https://new.example", route="cjsm")

    async with scene(path, endpoint_of=of) as stage:
        await owe(stage.store, 1, "alt_1")
        await stage.sweep()
        (parcel,) = stage.channel.parcels
        assert (parcel.address, parcel.route, parcel.exercise_route) == (
            "https://new.example", "cjsm", False,
        )  # fmt: skip


async def test_a_rejection_reports_its_reason_and_turns_to_the_next_step(path: Path) -> None:
    far = Far(Rejected(reason="http-410"))
    mail = Way(endpoint="dead/email", channel="email", form="notice", step=2)
    async with scene(path, far.deliver) as stage:
        await owe(stage.store, 1, "alt_1", GONE, mail)
        await stage.pass_time(1)
        assert stage.states() == {
            "alt_1 dead/webhook": "rejected",
            "alt_1 dead/email": "accepted",
        }
