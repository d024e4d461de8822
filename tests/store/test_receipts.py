"""Receipts of carriers: once, the first final one stands, unknown ones leave no trace."""

from itertools import permutations
from typing import Any, Literal

import orjson
import pytest

from gateway.model.ids import AlertId
from gateway.model.outcome import Receipt
from gateway.model.party import ChannelName
from gateway.store import outbox
from gateway.store.store import Store
from tests.store.owing import MINUTE, Way, attempted, due, owe
from tests.store.stores import NOW, Where, column, entries, opened

MAIL = Way(endpoint="police/email", channel="email", form="notice")
LATER = NOW + 5 * MINUTE
Said = Literal["delivered", "failed", "delayed"]


def receipt(state: Said, alert: str = "alt_1", channel: ChannelName = "email") -> Receipt:
    return Receipt(alert=AlertId(alert), channel=channel, state=state, code=f"dsn-{state}")


def logged(path: Where) -> list[dict[str, Any]]:
    found = [orjson.loads(one) for one in entries(path)]
    return [one for one in found if one["op"] == "receipt"]


async def accept(store: Store, endpoint: str = "police/email") -> None:
    await store.commit(outbox.record([attempted(row) for row in due(store, endpoint=endpoint)]))


async def test_a_receipt_is_recorded_with_its_entry(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL)
        await accept(store)
        assert await store.commit(outbox.receive(receipt("delivered"), LATER))
        assert column(path, "SELECT receipt FROM outbox") == ["delivered"]
    (one,) = logged(path)
    assert (one["alert"], one["endpoint"], one["state"], one["code"]) == (
        "alt_1", "police/email", "delivered", "dsn-delivered",
    )  # fmt: skip


@pytest.mark.parametrize("unknown", [receipt("failed", "alt_2"), receipt("failed", channel="sms")])
async def test_a_receipt_of_nothing_of_ours_writes_nothing(path: Where, unknown: Receipt) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL)
        await accept(store)
        before = entries(path)
        assert not await store.commit(outbox.receive(unknown, LATER))
        assert column(path, "SELECT receipt FROM outbox") == [""]
    assert entries(path) == before


@pytest.mark.parametrize("order", list(permutations(["delayed", "delivered", "failed"])))
async def test_the_first_final_receipt_stands_and_repeats_are_nothing(
    path: Where, order: tuple[Said, ...]
) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL)
        await accept(store)
        for state in order:
            for _repeat in range(2):
                assert await store.commit(outbox.receive(receipt(state), LATER))
        first = next(state for state in order if state != "delayed")
        assert column(path, "SELECT receipt FROM outbox") == [first]
    written = [one["state"] for one in logged(path)]
    assert written == (["delayed", first] if order[0] == "delayed" else [first])


async def test_a_delivered_receipt_settles_what_was_to_be_tried_again(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL)
        (row,) = due(store, endpoint="police/email")
        await store.commit(outbox.record(attempted(row, "pending", unknown=True)))
        assert await store.commit(outbox.receive(receipt("delivered"), LATER))
        assert outbox.counts(store.reader) == {"accepted": 1}
        assert due(store, endpoint="police/email") == []


async def test_a_bounce_quicker_than_its_attempt_is_recorded_still_counts(path: Where) -> None:
    async with opened(path) as store:
        later = Way(endpoint="police/sms", channel="sms", form="pointer", step=2)
        await owe(store, 1, "alt_1", MAIL, later)
        (row,) = due(store, endpoint="police/email")
        assert await store.commit(outbox.receive(receipt("failed"), LATER))
        await store.commit(outbox.record(attempted(row)))
        assert len(due(store, endpoint="police/sms")) == 1


async def test_a_digests_bounce_is_of_every_alert_in_it_and_of_no_other(path: Where) -> None:
    async with opened(path) as store:
        together = Way(endpoint="police/email", channel="email", form="notice", digest=True)
        for number in range(3):
            await owe(store, number, f"alt_{number}", together)
        await accept(store)
        await owe(store, 4, "alt_4", together)
        rows = due(store, endpoint="police/email")
        await store.commit(outbox.record([attempted(row, at=LATER) for row in rows]))
        assert await store.commit(outbox.receive(receipt("failed", "alt_0"), LATER))
        found = dict(store.reader.execute("SELECT alert, receipt FROM outbox"))
    assert found == {"alt_0": "failed", "alt_1": "failed", "alt_2": "failed", "alt_4": ""}
    assert len(logged(path)) == 3
