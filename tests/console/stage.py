"""A gateway with its console behind a real socket, and visitors who are signed in to it."""

import atexit
import contextlib
import datetime as dt
import os
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from playwright.async_api import Page

from gateway import clock
from gateway.audit.findings import Auditor
from gateway.config import Config, load_config
from gateway.config.console import OidcConfig
from gateway.console import shell
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute
from gateway.console.session import COOKIE, Sessions
from gateway.directory import Directory
from gateway.instance import CONFIG_NAME, VKEY_NAME, create, load_keys, load_law, opened
from gateway.law import Law
from gateway.model.ids import AgencyName
from gateway.model.party import Agency, Recipient
from gateway.model.staff import Staff, StaffId, StaffRole
from gateway.registration import register_agency, register_recipients
from gateway.store import staff as staff_store
from gateway.store.place import place_of
from gateway.store.store import Store

NAME = "throughgate.example/console"
_MADE: dict[str, Path] = {}  # instances by what their configuration says beyond the usual
PagesOf = Callable[[ConsoleOwn], Sequence[ConsoleRoute]]


class Clock:
    """The time a test began, and what it has let pass since."""

    def __init__(self) -> None:
        self._began = clock.now()
        self.ahead = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return self._began + self.ahead

    def pass_by(self, **duration: float) -> None:
        self.ahead += dt.timedelta(**duration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back."""

    status: int
    text: str
    headers: Mapping[str, str]  # names in lower case
    cookies: SimpleCookie
    body: bytes

    @property
    def to(self) -> str:
        """Where to look next."""
        return self.headers.get("location", "")


@dataclass(slots=True, kw_only=True)
class Client:
    """A browser without a screen: keeps cookies, says where a form comes from, follows nothing."""

    stage: "Stage"
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Answered:
        return await self.send("GET", path, headers=headers)

    async def post(
        self,
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        csrf: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Post a form as a page of ours would; its token is the session's, unless one is given."""
        token = self.csrf if csrf is None else csrf
        ours = {"Origin": self.stage.public_url, "Sec-Fetch-Site": "same-origin"}
        every = {**({"csrf": token} if token else {}), **(fields or {})}
        return await self.send(
            "POST", path, data=every, headers=ours if headers is None else headers
        )

    async def send(
        self, method: str, path: str, *, data: Any = None, headers: Mapping[str, str]
    ) -> Answered:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        every = {**({"Cookie": cookie} if cookie else {}), **headers}
        async with self.stage.session.request(
            method, self.stage.url + path, data=data, headers=every, allow_redirects=False
        ) as answer:
            body = await answer.read()
            for name, morsel in answer.cookies.items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
            text = body.decode("utf-8", "replace")
            return Answered(
                status=answer.status,
                text=text,
                headers={name.lower(): value for name, value in answer.headers.items()},
                cookies=answer.cookies,
                body=body,
            )

    async def lend_to(self, page: Page) -> None:
        """Have a real browser signed in as this client is."""
        # Over plain HTTP, Chromium takes such cookies from localhost, but not from a test.
        url = self.stage.public_url.replace("http:", "https:")
        for name, value in self.cookies.items():
            await page.context.add_cookies(
                [
                    {
                        "name": name,
                        "value": value,
                        "url": url,
                        "secure": True,
                        "httpOnly": True,
                        "sameSite": "Strict",
                    }
                ]
            )

    @property
    def csrf(self) -> str:
        """The token of the forms this client's session is shown, or ""."""
        cookie = self.cookies.get(COOKIE)
        return self.stage.csrf_of(cookie) if cookie else ""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a test acts on."""

    folder: Path
    config: Config
    store: Store
    own: ConsoleOwn
    sessions: Sessions
    now: Clock
    session: aiohttp.ClientSession
    url: str
    public_url: str

    def client(self) -> Client:
        """Return a browser that nobody is signed in with."""
        return Client(stage=self)

    async def add_staff(
        self,
        *roles: StaffRole,
        id_: str | None = None,
        agencies: Iterable[str] = (),
        organisations: Iterable[str] = (),
        subject: str | None = None,
        link: bytes | None = None,
    ) -> Staff:
        """Make an account; its id is "dpo-01" and so on, if none is given."""
        staff = Staff(
            id=StaffId(id_ or f"{roles[0]}-01"),
            roles=frozenset(roles),
            agencies=frozenset(AgencyName(one) for one in agencies),
            organisations=frozenset(organisations),
            subject=subject,
        )
        assert await self.store.commit(
            staff_store.add(staff, link=link, by="admin-01", now=self.now())
        )
        return staff

    async def signed_in(
        self,
        *roles: StaffRole,
        id_: str | None = None,
        agencies: Iterable[str] = (),
        organisations: Iterable[str] = (),
    ) -> Client:
        """Make an account and return a browser that it is signed in with."""
        staff = await self.add_staff(
            *roles, id_=id_, agencies=agencies, organisations=organisations
        )
        return await self.enter(staff)

    async def enter(self, staff: Staff) -> Client:
        """Return a browser that an account is signed in with."""
        cookie = await self.sessions.begin(staff, "passkey", before=None)
        assert cookie is not None
        return Client(stage=self, cookies={COOKIE: cookie})

    def csrf_of(self, cookie: str) -> str:
        return self.sessions.csrf_of(cookie)

    def row(self, sql: str, *bindings: Any) -> Any:
        return self.store.reader.execute(sql, bindings).get

    def entries(self, op: str) -> list[dict[str, Any]]:
        """Return the committed log entries of one operation."""
        vkey = (self.folder / VKEY_NAME).read_text().strip()
        with Auditor.open(place_of(self.config), vkey) as auditor:
            return auditor.entries(op)


@contextlib.asynccontextmanager
async def stage(
    folder: Path,
    pages: PagesOf = lambda _own: (),
    *,
    sections: str = "",
    oidc: OidcConfig | None = None,
    listener: socket.socket | None = None,
    agencies: Iterable[Agency] = (),
    recipients: Iterable[Recipient] = (),
) -> AsyncIterator[Stage]:
    """Serve a console with these pages on a store of its own until the block ends.

    Args:
        folder: Where the instance is made.
        pages: What there is to see.
        sections: More of the configuration file.
        oidc: Who vouches for staff.
        agencies: Whom to register.
        recipients: Whom to register.
        listener: Where to serve; None: somewhere on loopback.
    """
    with listener or loopback() as listening:
        made = await _instance(folder, sections)
        config = made.model_copy(
            update={
                "instance": made.instance.model_copy(update={"public_url": url_of(listening)}),
                "console": made.console.model_copy(update={"oidc": oidc}),
            }
        )
        for agency in agencies:
            await register_agency(config, agency)
        if told := list(recipients):
            await register_recipients(config, told)
        async with (
            opened(config) as store,
            _served(folder, config, store, listening, pages) as staged,
        ):
            yield staged


@contextlib.asynccontextmanager
async def another_worker(staged: Stage, pages: PagesOf) -> AsyncIterator[Stage]:
    """Serve the same gateway a second time, with a store of its own, until the block ends."""
    keys = load_keys(staged.config)
    store = await Store.open(
        staged.config.path(staged.config.instance.database),
        key_encryption_key=keys.key_encryption_key,
        log_key=keys.log_key,
        on_fatal=lambda _code: None,
        slot=1,
        slots=2,
    )
    try:
        with loopback() as listening:
            async with _served(
                staged.folder, staged.config, store, listening, pages, now=staged.now
            ) as other:
                yield other
    finally:
        await store.close()


def loopback() -> socket.socket:
    """Return a socket that listens on loopback."""
    return socket.create_server(("127.0.0.1", 0))


def url_of(listener: socket.socket) -> str:
    """Return what browsers call it: "localhost", where passkeys and secure cookies work."""
    return f"http://localhost:{listener.getsockname()[1]}"


async def _instance(folder: Path, sections: str) -> Config:
    """Make an instance; one like another is a copy of it, as keys take long to make."""
    made = _MADE.get(sections)
    if made is None:
        made = Path(tempfile.mkdtemp(prefix="throughgate-console-")) / "instance"
        atexit.register(shutil.rmtree, made.parent, ignore_errors=True)
        await create(made, name=NAME, sections=sections)
        _MADE[sections] = made
    shutil.copytree(made, folder)
    return load_config(folder / CONFIG_NAME)


@cache
def default_law() -> Law:
    """Return the law that comes with the program."""
    return load_law(Config.model_validate({"instance": {"name": NAME}, "home": ".", "file": "x"}))


@contextlib.asynccontextmanager
async def _served(
    folder: Path,
    config: Config,
    store: Store,
    listener: socket.socket,
    pages: PagesOf,
    *,
    now: Clock | None = None,
) -> AsyncIterator[Stage]:
    now = now or Clock()
    law = default_law()
    own = ConsoleOwn(
        config=config,
        store=store,
        directory=Directory(store.reader, law.catalogues),
        law=law,
        now=now,
        new_id=clock.new_id,
        random_bytes=os.urandom,
    )
    application = web.Application()
    application.add_routes(shell.routes(own, pages(own)))
    runner = web.AppRunner(application, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Stage(
                folder=folder,
                config=config,
                store=store,
                own=own,
                sessions=Sessions(store, config.console, now=now, random_bytes=os.urandom),
                now=now,
                session=session,
                url=f"http://127.0.0.1:{listener.getsockname()[1]}",
                public_url=config.instance.public_url,
            )
    finally:
        await runner.cleanup()


def attribute(text: str, name: str) -> str:
    """Return the value of an attribute that a page has once."""
    found = re.search(rf'{name}="([^"]*)"', text)
    assert found, f"no attribute {name}"
    return found[1]


def hidden(text: str, name: str) -> str:
    """Return the value of a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found, f"no field {name}"
    return found[1]
