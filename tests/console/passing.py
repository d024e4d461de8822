"""Visitors of a whole gateway: browsers without a screen, and passkeys at its door."""

import contextlib
import os
from collections.abc import AsyncIterator

from gateway import clock
from gateway.console.own import ConsoleOwn
from gateway.console.session import Sessions
from gateway.directory import Directory
from gateway.instance import opened
from gateway.model.staff import StaffRole
from gateway.store import staff as staff_store
from tests.console.stage import Answered, Client, Clock, Stage, attribute, default_law, hidden
from tests.gateway_in_process import Gateway
from tests.support.authenticator import Authenticator


@contextlib.asynccontextmanager
async def visited(served: Gateway, now: Clock | None = None) -> AsyncIterator[Stage]:
    """Look at the console of a gateway that is served, as its visitors do."""
    async with opened(served.config) as store:
        law = default_law()
        now = now or Clock()
        own = ConsoleOwn(
            config=served.config,
            store=store,
            directory=Directory(store.reader, law.catalogues),
            law=law,
            now=now,
            new_id=clock.new_id,
            random_bytes=os.urandom,
        )
        yield Stage(
            folder=served.folder,
            config=served.config,
            store=store,
            own=own,
            sessions=Sessions(store, served.config.console, now=now, random_bytes=os.urandom),
            now=now,
            session=served.session,
            url=served.url,
            public_url=served.config.instance.public_url,
        )


def passkey(visiting: Stage, number: int = 1) -> Authenticator:
    """Return a passkey that works at its door once it is enrolled."""
    return Authenticator(
        origin=visiting.public_url, rp_id="localhost", id=f"credential-{number:04}".encode()
    )


async def enrolled(visiting: Stage, *roles: StaffRole, number: int = 1) -> Authenticator:
    """Make an account, "dpo-01" and so on, and enrol its passkey over HTTP."""
    token = f"{roles[0]}-{number:02}".ljust(22, "x")
    link = staff_store.link_digest(visiting.store.sealed, token)
    await visiting.add_staff(*roles, id_=f"{roles[0]}-{number:02}", link=link)
    client, path = visiting.client(), f"/console/enrol/{token}"
    device = passkey(visiting, number)
    challenge = attribute((await client.get(path)).text, "data-challenge")
    made = await client.post(path, {"attestation": device.created(challenge)})
    assert made.status == 200, made.text
    return device


async def enters(client: Client, device: Authenticator, again: str | None = None) -> Answered:
    """Sign in with a passkey, or prove anew who is signed in."""
    query, more = (f"?again={again}", {"again": again}) if again else ("", {})
    asked = await client.get(f"/console/sign-in{query}")
    assertion = device.got(attribute(asked.text, "data-challenge"))
    return await client.post(
        "/console/sign-in", {"assertion": assertion, **more}, csrf=hidden(asked.text, "csrf")
    )
