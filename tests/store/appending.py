"""A process that appends to a log beside others: `python -m tests.store.appending DB SLOT`.

Says "ready" once open; then, for each line of its standard input, commits two entries and says so.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import LogKey
from gateway.model.ids import AgencyName
from gateway.store.place import PostgresPlace
from tests.store.stores import NOW, Where, logging, opened

KEY_ENV = "APPENDING_LOG_KEY"


async def append(path: Where, slot: int) -> None:
    key = LogKey.parse_secret(os.environ[KEY_ENV])
    async with opened(path, log_key=key, slot=slot, slots=2) as store:
        print("ready", flush=True)
        for number in itertools.count(step=2):
            if not await asyncio.to_thread(sys.stdin.readline):
                return
            await store.commit(logging(line(slot, number), line(slot, number + 1)))
            print("committed", flush=True)


def named(address: str) -> Where:
    return PostgresPlace(address) if address.startswith("postgresql:") else Path(address)


def line(slot: int, number: int) -> bytes:
    agency = AgencyName(f"worker-{slot}")
    return entry.security(at=NOW, code=f"append-{number}", agency=agency).encode()


if __name__ == "__main__":
    asyncio.run(append(named(sys.argv[1]), int(sys.argv[2])))
