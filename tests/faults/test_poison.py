"""One event that cannot be decided is set aside and seen; the others are told (P15, F14)."""

from pathlib import Path

import orjson
import pytest

from tests.store.stores import edit
from tests.support.checker import check
from tests.support.events import release
from tests.support.gateway_process import drained, gateway_running, instance
from tests.support.histories import Producer, fsck, history, log_dump, quarantined

pytestmark = pytest.mark.faults


def releases(first: int, count: int) -> dict[str, bytes]:
    return {f"release-{n}": release(n) for n in range(first, first + count)}


async def test_a_person_whose_record_does_not_open_stops_nobody_elses_alerts(
    tmp_path: Path,
) -> None:
    async with instance(tmp_path / "gateway") as inst, gateway_running(inst):
        producer = Producer(inst)
        assert await producer.post_all({"first": release(0, id_="first")}) == {}
        await drained(inst)
        edit(inst.database, "UPDATE person SET facts = zeroblob(100)")
        poison = {"poison": release(0, id_="poison")}
        assert await producer.post_all(poison | releases(1, 40)) == {}
        await drained(inst)
        (set_aside,) = quarantined(inst)
        assert len(inst.hook.received) == 41
        assert check(history(inst, producer)) == []
        entries = [orjson.loads(one) for one in log_dump(inst).entries]
        codes = [one["code"] for one in entries if one["op"] == "security"]
        assert codes == ["event-quarantined"]
        assert fsck(inst).verdict == "ok"
        assert set_aside in {event for one in producer.history for event in one.events}


async def test_an_undecided_event_that_does_not_open_does_not_keep_the_gateway_from_starting(
    tmp_path: Path,
) -> None:
    async with instance(tmp_path / "gateway") as inst:
        async with gateway_running(inst) as process:
            producer = Producer(inst)
            assert await producer.post_all(releases(0, 3)) == {}
            await drained(inst)
            await process.terminate()
            event = producer.history[0].events[0]
            edit(
                inst.database,
                "UPDATE event SET sealed = zeroblob(100), state = 'accepted' WHERE ref = ?",
                (event,),
            )
            await process.start()
            assert await producer.post_all(releases(3, 10)) == {}
            await drained(inst)
        assert quarantined(inst) == {event}
        assert len(inst.hook.received) == 13
