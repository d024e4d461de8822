"""Keeping the histories the checker reads: what was sent, what arrived, what the log says."""

import asyncio
import base64
import hashlib
import os
import random
from collections.abc import Iterable, Mapping

import aiohttp
import orjson

from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.disclosure_log.fsck import LogReport, check_log
from gateway.disclosure_log.sources import StoreSource
from gateway.instance import VKEY_NAME
from gateway.store.place import place_of
from tests.keys.hpke_receiver import receive
from tests.support.checker import History, LogDump, Posting, Reception
from tests.support.gateway_process import Instance, post

CONNECTIONS = 32


def chosen_seed() -> int:
    """Return the seed named by THROUGHGATE_SEED, to play a failure again, or a fresh one."""
    named = os.environ.get("THROUGHGATE_SEED")
    return int(named) if named else random.SystemRandom().randrange(2**32)


class Producer:
    """Posts events as the prison and writes down what it sent and what it was answered."""

    def __init__(self, instance: Instance) -> None:
        self.history: list[Posting] = []
        self.seen: list[str] = []  # checkpoints fetched on the way
        self._instance = instance
        self._accepted = 0
        self._changed = asyncio.Condition()

    async def post_all(self, bodies: Mapping[str, bytes]) -> dict[str, bytes]:
        """Post every body once, many at a time; return those that were not answered 202."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as session:
            answered = await asyncio.gather(
                *(self._post(session, id_, body) for id_, body in bodies.items())
            )
        return {
            id_: body for (id_, body), ok in zip(bodies.items(), answered, strict=True) if not ok
        }

    async def accepted(self, count: int) -> None:
        """Wait until that many requests more have been answered 202."""
        goal = self._accepted + count
        async with self._changed:
            await self._changed.wait_for(lambda: self._accepted >= goal)

    async def fetch_checkpoint(self) -> None:
        """Fetch the log's newest checkpoint, as a witness would, and keep it."""
        url = f"{self._instance.url}/log/checkpoint"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert response.status == 200
            self.seen.append(await response.text())

    async def _post(self, session: aiohttp.ClientSession, id_: str, body: bytes) -> bool:
        digest = hashlib.sha256(body).hexdigest()
        try:
            status, answer = await post(session, self._instance, body)
        except aiohttp.ClientConnectorError:
            self.history.append(Posting(id=id_, digest=digest, answer="fail"))
            return False
        except (aiohttp.ClientError, orjson.JSONDecodeError):
            self.history.append(Posting(id=id_, digest=digest, answer="unknown"))
            return False
        if status != 202:
            self.history.append(Posting(id=id_, digest=digest, answer="fail"))
            return False
        self.history.append(
            Posting(
                id=id_,
                digest=digest,
                answer="ok",
                receipt=answer["receipt"],
                events=tuple(answer["events"]),
            )
        )
        async with self._changed:
            self._accepted += 1
            self._changed.notify_all()
        return True


def history(instance: Instance, producer: Producer) -> History:
    """Gather everything for the checker. Reads the instance's files and its receiver's memory."""
    return History(
        postings=tuple(producer.history),
        receptions=tuple(receptions(instance)),
        log=log_dump(instance),
        seen=tuple(producer.seen),
        quarantined=quarantined(instance),
    )


def receptions(instance: Instance) -> Iterable[Reception]:
    """Open every webhook the police received, with their key and code that is not the gateway's."""
    private = (instance.police.private or b"").decode()
    for hook in instance.hook.received:
        alert = orjson.loads(hook.body)["data"]
        content = orjson.loads(receive(orjson.dumps(alert["sealed"]), private))
        yield Reception(
            webhook_id=hook.headers["webhook-id"],
            body=hook.body,
            entry=base64.b64decode(content["entry"], validate=True),
            proof=alert["proof"],
        )


def log_dump(instance: Instance) -> LogDump:
    """Dump the log from the database, as its operator would hand it over."""
    reader = place_of(instance.config).open_reader()
    try:
        bodies = reader.execute("SELECT body FROM log_entry ORDER BY idx").fetchall()
        notes = reader.execute("SELECT note FROM log_checkpoint ORDER BY size").fetchall()
    finally:
        reader.close()
    return LogDump(
        vkey=instance.vkey,
        entries=tuple(body for (body,) in bodies),
        checkpoints=tuple(note for (note,) in notes),
    )


def quarantined(instance: Instance) -> frozenset[str]:
    """Return the events set aside for a human."""
    reader = place_of(instance.config).open_reader()
    try:
        rows = reader.execute("SELECT ref FROM event WHERE state = 'quarantined'").fetchall()
    finally:
        reader.close()
    return frozenset(ref for (ref,) in rows)


def fsck(instance: Instance) -> LogReport:
    """Let the gateway's own auditor look at the whole log: entries, tiles, checkpoints."""
    reader = place_of(instance.config).open_reader()
    source = StoreSource(reader, instance.folder / VKEY_NAME)
    try:
        return check_log(source, verifier=VerifierKey.parse(instance.vkey))
    finally:
        source.close()
