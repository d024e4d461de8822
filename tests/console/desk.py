"""A console over a gateway that has decided events about the canary, and who may look at them."""

import contextlib
import datetime as dt
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson

from gateway import clock
from gateway.consequences import Consequences, Follows
from gateway.console.own import ConsoleOwn
from gateway.console.pages import every
from gateway.demo.cast import AREA
from gateway.disclose import Disclosing
from gateway.instance import rulebook_texts
from gateway.links import Links
from gateway.model.event import parse_cloudevent
from gateway.model.ids import AgencyName, EndpointId, RecipientId
from gateway.model.kinds import type_of
from gateway.model.party import Agency, Endpoint, Recipient
from gateway.model.posted import Posted
from gateway.store.decisions import commit
from gateway.store.group_commit import Staged
from gateway.store.log_index import catch_up
from gateway.store.rulebooks import put_in_force
from keys.signing import SigningKey
from tests.console.stage import Client, Stage, stage
from tests.gateway_in_process import URN, planned_release, police

PRISON = "hmp-exampleton"
POLICE = "Exampleshire Police"
WHY = {"why": "A subject access request"}


@contextlib.asynccontextmanager
async def desk(folder: Path, *, sections: str = "") -> AsyncIterator[Stage]:
    """Serve every page; the prison has posted one release, and the police were told of it."""
    prison = Agency(
        name=AgencyName(PRISON),
        urn=URN,
        organisation_class="prison",
        public_keys=(SigningKey.generate().public_text,),
    )
    landlord = Recipient(
        id=RecipientId("housing"),
        organisation="Exampleton Housing",
        organisation_class="housing",
        role="housing_authority",
        areas=frozenset({AREA}),
        endpoints=(
            Endpoint(id=EndpointId("housing/email"), channel="email", address="desk@example.org"),
        ),
    )
    async with stage(
        folder,
        every.routes,
        sections=sections,
        agencies=[prison],
        recipients=[police()[0], landlord],
    ) as made:
        own = made.own
        digest = own.law.rulebook.digest
        texts = rulebook_texts(None)
        await own.store.commit(
            lambda connection: Staged(
                None, put_in_force(connection, digest, texts, by="admin-01", now=own.now())
            )
        )
        await happens(own, "evt-1")
        yield made


async def happens(own: ConsoleOwn, id_: str, **changes: object) -> None:
    """Accept an event about the canary and decide it."""
    event = {**planned_release(id_), **changes}
    if "kind" in event:
        event["type"] = type_of(str(event.pop("kind")))
    links = Links(key=own.store.sealed.derive("links"), public_url="https://gateway.example")

    def disclosing(at: dt.datetime) -> Disclosing:
        return Disclosing(
            instance=own.config.instance.name,
            new_id=clock.new_id,
            random_bytes=os.urandom,
            now=at,
            mail_signer=None,
            links=links,
        )

    consequences = Consequences(
        store=own.store,
        directory=own.directory,
        law=own.law,
        disclosing=disclosing,
        new_id=clock.new_id,
    )
    body = orjson.dumps(event)
    accepted = await own.store.accept(
        Posted(
            agency=AgencyName(PRISON),
            message_id=f"msg-{id_}",
            timestamp="1",
            signature="v1a,c2ln",
            signed=body,
            raw=None,
            events=(parse_cloudevent(event),),
        ),
        now=own.now(),
        today=own.now().date(),
        organisation_class="prison",
        new_id=clock.new_id,
    )
    for one in accepted.new:
        follows = consequences.of_event(one, own.now())
        assert isinstance(follows, Follows)
        made = await own.store.commit(
            commit(follows.decided, directory=lambda: own.store.directory_marker)
        )
        assert made.verdict == "committed"
    await own.store.commit(catch_up(1000))


async def dpo(made: Stage, id_: str = "dpo-01", *, agencies: tuple[str, ...] = (PRISON,)) -> Client:
    """Sign in a data protection officer of the prison, or of another agency."""
    return await made.signed_in("dpo", id_=id_, agencies=agencies)


def told(made: Stage) -> tuple[int, dict[str, Any]]:
    """Return the first disclosure's index and entry."""
    row: Any = made.store.reader.execute(
        'SELECT idx, body FROM log_entry WHERE instr(body, \'"op":"disclosure"\') ORDER BY idx'
    ).fetchone()
    return row[0], orjson.loads(row[1])


def readings(made: Stage, what: str) -> list[dict[str, Any]]:
    """Return the consultations of one code."""
    return [one for one in made.entries("consultation") if one["what"] == what]
