"""A wrong merge, undone: whoever was told of two people as one is told so."""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.model.kinds import type_of
from gateway.store import sqlite
from tests.gateway_in_process import Gateway, gateway, planned_release, police

PUTS_RIGHT = {"RECALL", "CORRECTION"}
ONE, OTHER = "Z0701ZZ", "Z0702ZZ"


def about(noms: str, id_: str, **changes: Any) -> dict[str, Any]:
    event = planned_release(id_, **changes)
    event["data"]["identifiers"] = {"noms": noms}
    return event


def joining(id_: str, kind: str) -> dict[str, Any]:
    identifiers = {"noms": ONE, "superseded_noms": OTHER}
    return planned_release(id_, type=type_of(kind), data={"identifiers": identifiers})


@dataclass(frozen=True)
class Told:
    """One alert as it was told."""

    alert: str
    message: str
    supersedes: str | None


def alerts(served: Gateway) -> list[Told]:
    """Return every alert, in the order told."""
    with closing(sqlite.open_reader(served.config.path(served.config.instance.database))) as reader:
        found = reader.execute(
            "SELECT DISTINCT alert, message, supersedes FROM outbox ORDER BY leaf_index"
        ).fetchall()
    return [Told(alert, message, supersedes) for alert, message, supersedes in found]


async def decided(served: Gateway, event: dict[str, Any]) -> None:
    """Post an event and wait until it, and what the gateway states because of it, is decided."""
    assert (await served.post(event))[0] == 202
    with closing(sqlite.open_reader(served.config.path(served.config.instance.database))) as reader:
        for _ in range(100):
            if reader.execute("SELECT count(*) FROM event WHERE state = 'accepted'").get == 0:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("not decided")


async def test_a_wrong_merge_undone_puts_right_everyone_told_under_it_and_nobody_else(
    tmp_path: Path,
) -> None:
    recipient, _ = police()
    async with gateway(tmp_path / "i", recipients=[recipient]) as served:
        await decided(served, about(ONE, "a"))
        bare = about(OTHER, "b", type=type_of("risk.assessed"))
        bare["data"] = {"identifiers": {"noms": OTHER}}
        await decided(served, bare)
        (before,) = alerts(served)
        await decided(served, joining("c", "person.merged"))
        await decided(served, about(OTHER, "d", type=type_of("release.actual")))
        under = {one.alert for one in alerts(served)} - {before.alert}
        assert under, "told of one person, by what is known of two"
        await decided(served, joining("e", "person.unmerged"))
        righted = {one.supersedes for one in alerts(served) if one.message in PUTS_RIGHT}
        assert righted == under
