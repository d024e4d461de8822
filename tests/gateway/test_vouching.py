"""Certificates that rest on an anchor: used while their issuer's word is fresh, and no longer."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal

import pytest
from structlog.testing import capture_logs

from gateway.channels.outbound import OutboundPolicy
from gateway.directory import Directory
from gateway.disclose import test_alert as tell_test
from gateway.instance import load_law
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EndpointId, EventRef, PersonRef, RecipientId
from gateway.model.keyring import usable_key
from gateway.model.party import Endpoint, Recipient
from gateway.recipients_file import held_key
from gateway.store.directory import put_recipients
from gateway.vouching.fetch import RevocationFetcher
from gateway.vouching.vouch import Anchors
from gateway.vouching.watch import KeyWatch
from keys.seal import recipient_key
from tests.gateway.test_disclose import context
from tests.keys.authority import pem_of
from tests.keys.material import NOW, mail_signer, new_key
from tests.store.stores import opened
from tests.support.authority import Publisher, Trouble

ADDRESS = "mappa@example.org"
STALE_AFTER = dt.timedelta(days=3)
LAW = load_law()
LOOPBACK = OutboundPolicy(allowed_networks=(IPv4Network("127.0.0.1/32"),))
Says = Literal["crl", "ocsp"]


@dataclass(slots=True, kw_only=True)
class Stage:
    """One recipient whose certificate rests on an anchor, and the watch over it."""

    publisher: Publisher
    directory: Directory
    watch: KeyWatch
    entries: list[str]
    at: list[dt.datetime]
    reported: list[tuple[str, str]]

    @property
    def endpoint(self) -> Endpoint:
        self.directory.refresh()
        found = self.directory.endpoint(EndpointId("mail/email"))
        assert found is not None
        return found

    def stands(self) -> str:
        found = usable_key(self.endpoint.keys, self.at[0])
        return found if isinstance(found, str) else "used"


def _recipient(pem: str, now: dt.datetime) -> Recipient:
    held = held_key(
        recipient_key("cms", pem), now=now, confirmed_by="DPO-EXAMPLE", needs_vouching=True
    )
    endpoint = Endpoint(
        id=EndpointId("mail/email"),
        channel="email",
        address=ADDRESS,
        keys=(held,),
        smime="gcm",
        trust="anchor",
    )
    return Recipient(
        id=RecipientId("mail"),
        organisation="Example Mail",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset(),
        endpoints=(endpoint,),
    )


@contextlib.asynccontextmanager
async def stage(
    path: Path, says: Says, *, policy: OutboundPolicy = LOOPBACK, url: str | None = None
) -> AsyncIterator[Stage]:
    at, reported = [NOW], list[tuple[str, str]]()
    async with Publisher(NOW) as publisher, opened(path / "db") as store:
        pem = pem_of(publisher.issue(new_key("p256"), ADDRESS, says=says, url=url))
        await store.commit(put_recipients([_recipient(pem, NOW)], [], marker="dir_1"))
        fetcher = RevocationFetcher(policy, timeout_s=1)
        directory = Directory(store.reader, LAW.catalogues)
        markers = iter(range(2, 1000))
        watch = KeyWatch(
            directory=directory,
            anchors=Anchors(pem=publisher.root.pem, revocation="required", stale_after=STALE_AFTER),
            fetcher=fetcher,
            commit=store.commit,
            clock=lambda: at[0],
            new_id=lambda prefix: f"{prefix}_{next(markers)}",
            report=lambda code, subject: reported.append((code, subject)),
            every_s=3600,
        )
        made = Stage(
            publisher=publisher, directory=directory, watch=watch, entries=[], at=at,
            reported=reported,
        )  # fmt: skip
        try:
            yield made
        finally:
            made.entries += [
                body.decode() for (body,) in store.reader.execute("SELECT body FROM log_entry")
            ]
            await fetcher.close()


def form_told(it: Stage) -> str:
    """Return the form in which an alert would leave now."""
    event = Event(
        ref=EventRef("evt_1"),
        agency=AgencyName("throughgate"),
        person=PersonRef("per_1"),
        kind="person.linked",
        occurred_at=it.at[0],
        received_at=it.at[0],
        groups={},
    )
    it.directory.refresh()
    recipient = it.directory.recipients[RecipientId("mail")]
    circumstances = dataclasses.replace(context(mail_signer()), now=it.at[0])
    told = tell_test(event, recipient, circumstances, "rulebook", within=dt.timedelta(hours=1))
    [disclosure] = told.disclosures
    assert (disclosure.key_id is None) == (disclosure.form == "notice")
    return disclosure.form


@pytest.mark.parametrize("says", ["crl", "ocsp"])
async def test_a_certificate_is_used_once_its_issuer_vouches_and_until_it_revokes(
    tmp_path: Path, says: Says
) -> None:
    async with stage(tmp_path, says) as it:
        assert (it.stands(), form_told(it)) == ("unvouched", "notice")
        await it.watch.look()
        assert it.publisher.asked == [f"/{says}"]
        assert (it.stands(), form_told(it)) == ("used", "sealed")
        it.publisher.revoked = list(it.publisher.issued.values())
        await it.watch.look()
        assert (it.stands(), form_told(it)) == ("revoked", "notice")
        [held] = it.endpoint.keys
        assert held.revoked_for == "issuer"
        await it.watch.look()
        assert it.publisher.asked == [f"/{says}"] * 2, "a revoked key is asked about no more"
        assert ("key-unusable", "mail/email revoked") in it.reported
    actions = [one for one in it.entries if '"op":"directory"' in one]
    assert [name for name in ("key-vouched-for", "key-revoked-by-issuer") for one in actions
            if f'"{name}"' in one] == ["key-vouched-for", "key-revoked-by-issuer"]  # fmt: skip
    assert not any(ADDRESS in one for one in it.entries)


@pytest.mark.parametrize("says", ["crl", "ocsp"])
async def test_what_was_vouched_for_is_used_until_it_is_stale_and_no_longer(
    tmp_path: Path, says: Says
) -> None:
    async with stage(tmp_path, says) as it:
        await it.watch.look()
        [held] = it.endpoint.keys
        until = held.vouched_until
        assert until is not None
        assert NOW < until <= NOW + STALE_AFTER
        it.publisher.trouble = "down"
        it.at[0] = until - dt.timedelta(minutes=1)
        with capture_logs() as logs:
            await it.watch.look()
        assert it.stands() == "used"
        assert ("key-unvouched", "mail/email") in it.reported
        assert [one["event"] for one in logs] == ["certificate not vouched for"]
        it.at[0] = until + dt.timedelta(seconds=1)
        assert (it.stands(), form_told(it)) == ("unvouched", "notice")
        it.publisher.trouble, it.publisher.now = None, it.at[0]
        await it.watch.look()
        assert it.stands() == "used", "the issuer is back"


TROUBLES: tuple[Trouble, ...] = (
    "down", "redirects", "hangs", "endless", "huge", "drips", "bomb",
)  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("says", ["crl", "ocsp"])
async def test_a_hostile_server_costs_little_and_vouches_for_nothing(
    tmp_path: Path, says: Says, trouble: Trouble
) -> None:
    async with stage(tmp_path, says) as it:
        it.publisher.trouble = trouble
        tracemalloc.start()
        try:
            async with asyncio.timeout(20):
                await it.watch.look()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert it.stands() == "unvouched"
        assert it.publisher.asked == [f"/{says}"], "nothing is followed"
        assert peak < 48 << 20
        it.publisher.trouble = None
        await it.watch.look()
        assert it.stands() == "used"


@pytest.mark.parametrize(
    ("policy", "url"),
    [
        (OutboundPolicy(), None),
        (LOOPBACK, "http://169.254.169.254"),
        (LOOPBACK, "http://[::1]:80"),
        (LOOPBACK, "http://10.0.0.1"),
    ],
    ids=["loopback-not-allowed", "metadata", "loopback-v6", "private"],
)
async def test_only_public_and_allowed_addresses_are_fetched(
    tmp_path: Path, policy: OutboundPolicy, url: str | None
) -> None:
    async with stage(tmp_path, "crl", policy=policy, url=url) as it:
        async with asyncio.timeout(5):
            await it.watch.look()
        assert it.stands() == "unvouched"
        assert it.publisher.asked == []


async def test_a_certificate_just_imported_is_asked_about_before_the_next_look(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, "ocsp") as it:
        await it.watch.look_at_new()
        assert it.stands() == "used"
        await it.watch.look_at_new()
        assert it.publisher.asked == ["/ocsp"]
