"""Operators hear of every trouble at once, and of no trouble too often."""

import datetime as dt
import email
import email.policy
import itertools
import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.channels.email import EmailChannel
from gateway.channels.http_client import GuardedClient
from gateway.channels.mail_routes import MailRoute
from gateway.channels.outbound import OutboundPolicy
from gateway.config.escalation import EscalationConfig, OperatorConfig
from gateway.demo.servers.certificates import LoopbackCertificates, make_certificates
from gateway.demo.servers.mail import MailServer
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.incidents import (
    CODES,
    Incidents,
    OperatorAlert,
    mail_sink,
    webhook_body,
    webhook_sink,
)
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from gateway.shards import Shards
from gateway.store.incidents import Incident, open_ones, seen_again, to_be_said, told
from gateway.store.store import Store
from tests.store.stores import opened

NOW = dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


class Operator:
    """Somebody who is told, and may be out of reach."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.heard: list[OperatorAlert] = []
        self._outcomes = list(outcomes)

    async def __call__(self, alert: OperatorAlert) -> Outcome:
        self.heard.append(alert)
        return self._outcomes.pop(0) if self._outcomes else Accepted()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "throughgate.db") as found:
        yield found


@given(
    sights=st.lists(
        st.tuples(st.integers(0, 24 * 3600), st.sampled_from(["a", "b", "c"])),
        min_size=1,
        max_size=200,
    ),
    cap=st.integers(1, 8),
)
@settings(deadline=None)
def test_whatever_the_storm_an_incident_is_said_at_most_as_often_as_the_cap(
    sights: list[tuple[int, str]], cap: int
) -> None:
    known: dict[str, Incident] = {}
    said: dict[str, list[dt.datetime]] = {}
    for seconds, name in sorted(sights):
        at = NOW + dt.timedelta(seconds=seconds)
        first = name not in known
        known[name] = seen_again(known.get(name), name, at)
        if to_be_said(known[name], at, cap=cap, every=HOUR):
            known[name] = told(known[name], at)
            said.setdefault(name, []).append(at)
            assert not to_be_said(known[name], at, cap=cap, every=HOUR)
        assert not first or said[name][-1] == at, "the first is said at once"
    for times in said.values():
        assert len(times) <= cap
        assert all(later - earlier >= HOUR for earlier, later in itertools.pairwise(times))


async def test_ten_thousand_reports_over_a_day(store: Store) -> None:
    """A storm of seven kinds of trouble: each said at most five times, and counted in full."""
    clock, operator = Clock(), Operator()
    incidents = Incidents(store=store, now=clock, sinks=[operator])
    for number in range(10_000):
        incidents.report(CODES[number % len(CODES)], "one")
        if number % 100 == 0:
            clock.now = NOW + DAY * (number / 10_000)
            await incidents.look()
    await incidents.look()
    for code in CODES:
        heard = [one for one in operator.heard if one.code == code]
        assert [one.number for one in heard] == [1, 2, 3, 4, 5]
        assert "said no more" in heard[-1].text
    assert sum(one.seen for one in open_ones(store.reader)) == 10_000


async def test_it_is_said_at_once_then_hourly_and_only_if_seen_again(store: Store) -> None:
    clock, operator = Clock(), Operator()
    incidents = Incidents(store=store, now=clock, sinks=[operator])
    incidents.report("dead-letter", "police/webhook")
    assert len(await incidents.look()) == 1
    clock.now += 2 * HOUR
    assert await incidents.look() == [], "not seen since"
    incidents.report("dead-letter", "police/webhook")
    incidents.report("dead-letter", "police/webhook")
    (again,) = await incidents.look()
    assert (again.number, again.seen) == (2, 3)
    clock.now += 59 * MINUTE
    incidents.report("dead-letter", "police/webhook")
    assert await incidents.look() == []
    clock.now += MINUTE
    assert len(await incidents.look()) == 1, "what was seen in the hour is said after it"


async def test_a_day_without_it_closes_it_and_the_next_is_new(store: Store) -> None:
    clock, operator = Clock(), Operator()
    incidents = Incidents(store=store, now=clock, sinks=[operator])
    incidents.report("breaker-open", "police/webhook")
    await incidents.look()
    clock.now += DAY
    await incidents.look()
    assert open_ones(store.reader) == []
    incidents.report("breaker-open", "police/webhook")
    (again,) = await incidents.look()
    assert (again.number, again.seen, again.opened_at) == (1, 1, clock.now)


async def test_an_operator_closes_it(store: Store) -> None:
    clock, operator = Clock(), Operator()
    incidents = Incidents(store=store, now=clock, sinks=[operator])
    incidents.report("quarantined", "hmp-exampleton")
    await incidents.look()
    assert await incidents.close("quarantined", "hmp-exampleton")
    assert not await incidents.close("quarantined", "hmp-exampleton")
    incidents.report("quarantined", "hmp-exampleton")
    assert [one.number for one in await incidents.look()] == [1]


async def test_what_did_not_get_through_is_said_again_and_does_not_count(store: Store) -> None:
    clock = Clock()
    operator = Operator(Deferred(reason="http-503"), Rejected(reason="smtp-550"))
    incidents = Incidents(store=store, now=clock, sinks=[operator])
    incidents.report("key-unusable", "police/webhook")
    await incidents.look()
    await incidents.look()
    assert len(operator.heard) == 1, "not at every look"
    for _ in range(2):
        clock.now += MINUTE
        await incidents.look()
    assert [one.number for one in operator.heard] == [1, 1, 1]
    clock.now += MINUTE
    await incidents.look()
    assert len(operator.heard) == 3


async def test_what_may_have_got_through_counts(store: Store) -> None:
    clock = Clock()
    operator = Operator(Deferred(reason="timeout", outcome_unknown=True))
    incidents = Incidents(store=store, now=clock, sinks=[operator])
    incidents.report("provider-unavailable", "notify")
    await incidents.look()
    clock.now += 5 * MINUTE
    await incidents.look()
    assert len(operator.heard) == 1


async def test_what_was_seen_and_not_said_is_said_after_a_restart(tmp_path: Path) -> None:
    path, clock = tmp_path / "throughgate.db", Clock()
    async with opened(path) as store:
        other_worker = Incidents(store=store, now=clock)
        other_worker._store.shards = Shards.of_worker(1, 2)  # only the first worker says
        other_worker.report("nobody-answered", "police")
        assert await other_worker.look() == []
    operator = Operator()
    async with opened(path) as store:
        await Incidents(store=store, now=clock, sinks=[operator]).look()
    assert [one.code for one in operator.heard] == ["nobody-answered"]


def shown() -> OperatorAlert:
    return OperatorAlert(
        code="nobody-answered", subject="police", seen=3, opened_at=NOW, last_at=NOW + HOUR,
        number=2, cap=5,
    )  # fmt: skip


async def test_whatever_takes_alertmanagers_webhooks_takes_ours(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with WebhookReceiver(certificates, answers=[503]) as receiver:
        client = GuardedClient(
            policy=_loopback(),
            ssl_context=certificates.client_context,
            timeout_s=5,
            user_agent="throughgate",
        )
        try:
            sink = webhook_sink(client, receiver.url, instance="throughgate.example/test")
            assert await sink(shown()) == Deferred(reason="http-503")
            assert isinstance(await sink(shown()), Accepted)
        finally:
            await client.close()
        body = orjson.loads(receiver.received[-1].body)
    assert (body["version"], body["status"]) == ("4", "firing")
    (one,) = body["alerts"]
    assert one["labels"] == {
        "alertname": "nobody-answered",
        "subject": "police",
        "instance": "throughgate.example/test",
    }
    assert one["startsAt"] == "2026-11-20T02:00:00.000Z"
    assert "Seen 3 times" in one["annotations"]["summary"]
    assert orjson.loads(webhook_body(shown(), instance="x"))["groupKey"] == (
        "x:nobody-answered:police"
    )


async def test_the_operators_mailbox_gets_the_same_words(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with MailServer(certificates, security="starttls") as server:
        channel = _mail_channel(server, certificates)
        try:
            sink = mail_sink(
                channel, "operators@example.org", new_id=lambda p: f"{p}_1", now=lambda: NOW
            )
            assert isinstance(await sink(shown()), Accepted)
        finally:
            await channel.close()
        (message,) = server.messages
    assert b"nobody is left to turn to, for alerts to: police" in _text(message.content)


def _loopback() -> OutboundPolicy:
    return OutboundPolicy(allowed_networks=(IPv4Network("127.0.0.1/32"),))


def _mail_channel(server: MailServer, certificates: LoopbackCertificates) -> EmailChannel:
    route = MailRoute(
        host="127.0.0.1",
        port=server.port,
        security="starttls",
        ssl_context=certificates.client_context,
        sender="alerts@gateway.example.org",
        hostname="gateway.example.org",
    )
    return EmailChannel(default=route, clock=time.time)


def _text(content: bytes) -> bytes:
    message = email.message_from_bytes(content, policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    return b" ".join(body.get_content().encode().split())


def test_where_operators_hear_is_checked_as_the_file_is_read() -> None:
    whole = OperatorConfig(
        webhook_url="https://alerts.example.org/hook", mailbox="operators@example.org"
    )
    assert (whole.cap, whole.every) == (5, HOUR)
    assert EscalationConfig().chase_within == 4 * HOUR
    wrong: tuple[dict[str, object], ...] = (
        {"webhook_url": "ftp://alerts.example.org"},
        {"webhook_url": "https://"},
        {"mailbox": "operators"},
        {"mailbox": "a@example.org\r\nBcc: b@example.org"},
        {"cap": 0},
        {"every_s": 1},
        {"telephone": "+447700900101"},
    )
    for one in wrong:
        with pytest.raises(ValidationError):
            OperatorConfig.model_validate(one)
