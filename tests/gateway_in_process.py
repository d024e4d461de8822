"""A small instance and the gateway in this process, behind a real loopback socket."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from gateway import clock
from gateway.app import running
from gateway.audit.findings import Auditor
from gateway.cli.post import send
from gateway.config import Config
from gateway.demo.cast import AREA
from gateway.instance import VKEY_NAME, create
from gateway.model.ids import AgencyName, EndpointId, RecipientId
from gateway.model.kinds import type_of
from gateway.model.party import Agency, Endpoint, Recipient
from gateway.registration import register_agency, register_recipients
from gateway.store.place import place_of
from keys import hpke
from keys.signing import SigningKey
from tests import canaries
from tests.support.trusted import trusted

URN = "urn:example:hmp-exampleton"
NAME = "throughgate.example/test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running gateway with one prison registered, and its key."""

    folder: Path
    config: Config
    url: str
    session: aiohttp.ClientSession
    key: SigningKey

    async def post(
        self, body: object, *, adapter: str | None = None, agency: str = "hmp-exampleton"
    ) -> tuple[int, Any]:
        """Sign and post a body (bytes, or a value as JSON); return status and parsed answer."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        status, answer = await send(
            self.session, self.url, agency, self.key, content, adapter=adapter
        )
        return status, orjson.loads(answer)

    def entries(self, op: str) -> list[dict[str, Any]]:
        """Return the committed log entries of one operation."""
        vkey = (self.folder / VKEY_NAME).read_text().strip()
        with Auditor.open(place_of(self.config), vkey) as auditor:
            return auditor.entries(op)


@contextlib.asynccontextmanager
async def gateway(
    folder: Path,
    *,
    recipients: Iterable[Recipient] = (),
    sections: str = "",
    now: Callable[[], dt.datetime] = clock.now,
) -> AsyncIterator[Gateway]:
    """Make an instance with one prison, and serve it until the block ends."""
    key = SigningKey.generate()
    config = await create(folder, name=NAME, sections=sections)
    prison = Agency(
        name=AgencyName("hmp-exampleton"),
        urn=URN,
        organisation_class="prison",
        public_keys=(key.public_text,),
    )
    await register_agency(config, prison)
    await register_recipients(config, list(recipients))
    async with serving(folder, config, key, now=now) as served:
        yield served


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    config: Config,
    key: SigningKey,
    *,
    now: Callable[[], dt.datetime] = clock.now,
) -> AsyncIterator[Gateway]:
    """Serve an instance that is already there."""
    async with running(config, now=now) as application:
        runner = web.AppRunner(application, access_log=None, auto_decompress=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            async with aiohttp.ClientSession() as session:
                yield Gateway(
                    folder=folder,
                    config=config,
                    url=f"http://127.0.0.1:{runner.addresses[0][1]}",
                    session=session,
                    key=key,
                )
        finally:
            await runner.cleanup()


def police(address: str = "https://198.51.100.7/hook") -> tuple[Recipient, str]:
    """Return a police recipient with one webhook, and its private key."""
    private, public = hpke.generate()
    endpoint = Endpoint(
        id=EndpointId("police-ppu/webhook"),
        channel="webhook",
        address=address,
        keys=trusted("hpke", public),
    )
    recipient = Recipient(
        id=RecipientId("police-ppu"),
        organisation="Exampleshire Police",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset({AREA}),
        endpoints=(endpoint,),
    )
    return recipient, private


def planned_release(id_: str = "evt-1", **changes: object) -> dict[str, Any]:
    """Return a canonical release.planned about the canary, sentence end, category 2 level 1."""
    now = clock.now().isoformat()
    today = dt.date.today().isoformat()  # noqa: DTZ011 - any date will do
    stated = {"assertion": "fact", "as_of": now, "source_system": "NOMIS", "verified": True}
    data: dict[str, Any] = {
        "identity": {"family_name": canaries.NAME, **stated},
        "identifiers": {
            "noms": canaries.NOMS,
            "pnc": canaries.PNC,
            "nhs_number": canaries.NHS_NUMBER,
            "nhs_number_status": "01",
            **stated,
        },
        "custody": {
            "prison": "EXI",
            "release_type": "SED_NO_LICENCE",
            "planned_date": today,
            "licence": False,
            **stated,
        },
        "mappa": {"category": 2, "level": 1, **stated},
        "location": {"home_area": AREA, "address_status": "NFA", **stated},
    }
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": id_,
        "source": URN,
        "type": type_of("release.planned"),
        "time": now,
        "data": data,
    }
    return event | changes
