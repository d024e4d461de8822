"""The watch over recipients' keys: issuers are asked anew, and what ends soon is said in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from gateway.directory import Directory
from gateway.disclosure_log import entry
from gateway.incidents import Code
from gateway.key_warnings import key_warnings
from gateway.model.ids import OURSELVES, EndpointId
from gateway.model.keyring import HeldKey, changing
from gateway.model.party import Endpoint
from gateway.store.directory import change_keys
from gateway.store.group_commit import Unit
from gateway.store.sqlite import StoreUnavailable
from gateway.vouching.fetch import RevocationFetcher
from gateway.vouching.vouch import Anchors, vouch
from keys.chain import Verified

_LOG = structlog.get_logger()

REVOKED_BY_ISSUER: Final = "issuer"
_NEW_EVERY_S: Final = 5.0  # how soon a certificate just imported is asked about


class KeyWatch:
    """One in a gateway is enough: the first worker's."""

    def __init__(
        self,
        *,
        directory: Directory,
        anchors: Anchors | None,
        fetcher: RevocationFetcher,
        commit: Callable[[Unit[None]], Awaitable[None]],
        clock: Callable[[], datetime],
        new_id: Callable[[str], str],
        report: Callable[[Code, str], None],
        every_s: float,
    ) -> None:
        """Build it.

        Args:
            directory: Whose keys are watched.
            anchors: None: no certificate may be used that rests on one.
            fetcher: Asks issuers.
            commit: Makes a change of the directory durable.
            clock: Aware UTC.
            new_id: For the directory's marker.
            report: Tells the operator: a code, and the endpoint it is about.
            every_s: Seconds between two looks.
        """
        self._directory = directory
        self._anchors = anchors
        self._fetcher = fetcher
        self._commit = commit
        self._clock = clock
        self._new_id = new_id
        self._report = report
        self._every_s = every_s
        self._asked: set[tuple[EndpointId, str]] = set()  # endpoint and key id

    async def run(self) -> None:
        """Look for ever. Trouble of the store is logged, and met again at the next look."""
        while True:
            looked = time.monotonic()
            await self._carefully(self.look)
            while (left := looked + self._every_s - time.monotonic()) > 0:
                await asyncio.sleep(min(left, _NEW_EVERY_S))
                await self._carefully(self.look_at_new)

    async def _carefully(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except StoreUnavailable as error:
            _LOG.error("cannot watch keys", error=type(error).__name__)

    async def look(self) -> None:
        """Ask about every certificate that rests on an anchor, then say what ends soon."""
        self._asked.clear()
        await self.look_at_new()
        self._directory.refresh()
        for warning in key_warnings(self._directory.recipients.values(), self._clock()):
            code: Code = "key-unusable" if warning.unusable else "key-expiring"
            within = f"{warning.within_days}d" if warning.within_days else warning.unusable or ""
            _LOG.warning("key warning", code=f"{code}-{within}", endpoint=warning.endpoint)
            self._report(code, f"{warning.endpoint} {within}")

    async def look_at_new(self) -> None:
        """Ask about the certificates that were not asked about since the last `look`."""
        self._directory.refresh()
        for recipient in list(self._directory.recipients.values()):
            for endpoint in recipient.endpoints:
                for held in endpoint.keys:
                    asked = (endpoint.id, held.key.key_id)
                    if asked not in self._asked and _is_open(held, self._clock()):
                        self._asked.add(asked)
                        await self._ask(endpoint, held)

    async def _ask(self, endpoint: Endpoint, held: HeldKey) -> None:
        if self._anchors is None:
            return
        now = self._clock()
        found = await vouch(endpoint, held.key, self._anchors, self._fetcher, now)
        if isinstance(found, Verified):
            news, action = partial(replace, vouched_until=found.vouched_until), "key-vouched-for"
        elif any(one.code == "revoked" for one in found.reasons):
            news = partial(replace, revoked_at=now, revoked_for=REVOKED_BY_ISSUER)
            action = "key-revoked-by-issuer"
        else:  # what was vouched for stands until it is stale
            _LOG.error("certificate not vouched for", code=found.reasons[0].code,
                       endpoint=endpoint.id)  # fmt: skip
            self._report("key-unvouched", endpoint.id)
            return
        logged = entry.directory(
            at=now, action=action, subject=endpoint.id, actor=OURSELVES, digest=held.key.key_id
        )

        def heard(one: HeldKey) -> HeldKey:
            return one if one.revoked_at else news(one)  # revoked meanwhile: that stands

        change = changing(held.key.key_id, heard)
        await self._commit(
            change_keys(endpoint.id, change, logged.encode(), marker=self._new_id("dir"))
        )


def _is_open(held: HeldKey, now: datetime) -> bool:
    """Whether an issuer's word on a key could change anything."""
    ended = held.valid_until is not None and held.valid_until < now
    return held.needs_vouching and held.revoked_at is None and not ended
