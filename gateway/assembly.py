"""The parts of one running gateway, put together from its configuration."""

import asyncio
import contextlib
import os
import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from adapters.contract import Adapter
from gateway import clock
from gateway.answering import Answering
from gateway.bounces.reader import BounceReader
from gateway.config import BadConfig, Config
from gateway.deliver import Deliverer, Delivering
from gateway.delivery.breaker import BreakerTerms
from gateway.delivery.proofs import with_witnessed_proofs
from gateway.directory import Directory
from gateway.disclose import Disclosing
from gateway.duties.chase import Chaser
from gateway.escalate import Escalating, Escalator
from gateway.incidents import Incidents, Sink, mail_sink, webhook_sink
from gateway.instance import InstanceKeys, verifiers_of
from gateway.law import Law
from gateway.links import Links
from gateway.metrics import BOUNCES
from gateway.model.ids import AlertId
from gateway.model.outcome import Receipt
from gateway.pipeline import Loop, Pipeline
from gateway.rendering import Render
from gateway.reseal import Preparing
from gateway.standing import Standing
from gateway.store import alerts, approvals, receipts
from gateway.store.log_index import keep_indexed
from gateway.store.owed import Owed
from gateway.store.sealed import SealedStore
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from gateway.traces import OFF, Traces
from gateway.transport import Channels, Hearing, guarded_client, mail_sender, outbound_policy
from gateway.vouching.fetch import RevocationFetcher
from gateway.vouching.vouch import Anchors
from gateway.vouching.watch import KeyWatch
from gateway.witnessing import witnessing_of

_LAPSE_EVERY_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What most parts of one running gateway need."""

    config: Config
    keys: InstanceKeys
    law: Law
    store: Store
    directory: Directory
    links: Links
    disclosing: Callable[[datetime], Disclosing]
    now: Callable[[], datetime]
    standing: Standing
    traces: Traces = OFF


def hearing_of(own: Own, answering: Answering) -> Hearing:
    """Return where what is heard of alerts goes."""

    async def acknowledged(alert: AlertId) -> None:
        unit = alerts.answer(
            alert, "acknowledged", means="api", by="simulator", reason=None, now=own.now()
        )
        await own.store.commit(unit)

    return Hearing(
        receipt=partial(_receive, own), reply=answering.answer_by_text, acknowledged=acknowledged
    )


async def _receive(own: Own, heard: Receipt) -> bool:
    return await own.store.commit(receipts.receive(heard, own.now()))


def incidents_of(own: Own, channels: Channels, closing: contextlib.AsyncExitStack) -> Incidents:
    """Return what tells the operator.

    Raises:
        BadConfig: a mailbox is named, and no relay.
    """
    operator = own.config.operator
    sinks: list[Sink] = []
    if operator.webhook_url is not None:
        client = guarded_client(own.config)
        closing.push_async_callback(client.close)
        sinks.append(webhook_sink(client, operator.webhook_url, instance=own.config.instance.name))
    if operator.mailbox is not None:
        mail = channels.bare.get("email")
        if mail is None:
            raise BadConfig("operator: mailbox: needs [email]")
        sinks.append(mail_sink(mail, operator.mailbox, new_id=clock.new_id, now=own.now))
    return Incidents(
        store=own.store, now=own.now, sinks=sinks, cap=operator.cap, every=operator.every
    )


def pipeline_of(
    own: Own, adapters: Mapping[str, Adapter], deliverer: Deliverer, incidents: Incidents
) -> Pipeline:
    """Return the straight line, with the chaser of duties in the first worker's."""
    chaser = Chaser(
        store=own.store,
        directory=own.directory,
        clocks=lambda: own.law.catalogues.clocks,
        now=own.now,
        new_id=clock.new_id,
    )
    return Pipeline(
        store=own.store,
        directory=own.directory,
        law=own.law,
        adapters=adapters,
        disclosing=own.disclosing,
        deliverer=deliverer,
        clock=own.now,
        new_id=clock.new_id,
        undecided_bound=own.config.http.undecided_bound,
        report=incidents.report,
        chase=chaser.run if own.store.slot == 0 else None,
        while_whole=own.standing.while_whole,
        traces=own.traces,
    )


def deliverer_of(own: Own, channels: Channels, incidents: Incidents) -> Deliverer:
    """Return what makes the attempts."""
    terms, store = own.config.delivery, own.store
    owed = Owed(store.reader, slot=store.slot, slots=store.slots)
    preparing = Preparing(
        store=store,
        directory=own.directory,
        disclosing=own.disclosing,
        clock=own.now,
        report=incidents.report,
    )
    return Deliverer(
        Delivering(
            channels=channels.by_name,
            endpoint_of=own.directory.endpoint,
            owed=owed,
            came_of=owed.came_of,
            traces=own.traces,
            commit=store.commit,
            clock=own.now,
            rng=jitter(),
            ladder=tuple(timedelta(seconds=seconds) for seconds in terms.ladder_s),
            give_up_after=timedelta(seconds=terms.give_up_after_s),
            pick_up=own.links.pick_up,
            prepare=with_witnessed_proofs(preparing.prepare, store.reader),
            per_minute=terms.per_minute,
            workers=store.slots,
            breaker=BreakerTerms(
                failures=terms.breaker_failures,
                shortest_s=terms.breaker_first_s,
                longest_s=terms.breaker_longest_s,
            ),
            step_after=timedelta(seconds=terms.step_after_s),
            held=lambda: own.standing.read_only,
            report=incidents.report,
        )
    )


def loops_of_one(
    own: Own,
    deliverer: Deliverer,
    incidents: Incidents,
    closing: contextlib.AsyncExitStack,
) -> Mapping[str, Loop]:
    """Return the loops that one worker of a gateway runs for all."""
    config = own.config
    escalator = Escalator(
        Escalating(
            store=own.store,
            directory=own.directory,
            law=own.law,
            disclosing=own.disclosing,
            now=own.now,
            new_id=clock.new_id,
            take=deliverer.take,
            chase_within=config.escalation.chase_within,
        )
    )
    fetcher = RevocationFetcher(outbound_policy(config))
    closing.push_async_callback(fetcher.close)
    watch = KeyWatch(
        directory=own.directory,
        anchors=anchors_of(config),
        fetcher=fetcher,
        commit=own.store.commit,
        clock=own.now,
        new_id=clock.new_id,
        report=incidents.report,
        every_s=config.certificates.refresh_s,
    )
    loops: dict[str, Loop] = {
        "escalate": own.standing.while_whole(escalator.run),
        "watch-keys": own.standing.while_whole(watch.run),
        "standing": own.standing.run,
        "index-log": partial(keep_indexed, own.store.commit, own.store.reader),
        "approvals": own.standing.while_whole(partial(_lapse_approvals, own)),
    }
    if config.witness is not None:
        witnessing = witnessing_of(
            config,
            config.witness,
            store=own.store,
            log_keys=lambda: verifiers_of(config),
            now=own.now,
            report=incidents.report,
            closing=closing,
            on_behind=own.standing.on_behind,
            on_forked=own.standing.on_forked,
        )
        loops["witness"] = own.standing.while_whole(witnessing.run)
    if config.email is not None and config.email.bounces is not None:
        bounces = config.email.bounces
        reader = BounceReader(
            config.path(bounces.maildir),
            partial(_receive, own),
            poll_s=bounces.poll_s,
            keep=bounces.after == "keep",
            count=lambda code: BOUNCES.labels(code).inc(),
        )
        loops["bounces"] = reader.run
    return loops


async def _lapse_approvals(own: Own) -> None:
    while True:
        with contextlib.suppress(StoreUnavailable):  # no space, or busy: whoever writes says so
            await own.store.commit(approvals.lapse(own.now()))
        await asyncio.sleep(_LAPSE_EVERY_S)


def anchors_of(config: Config) -> Anchors | None:
    """Return whom recipients' certificates may rest on; None: nobody is configured.

    Raises:
        BadConfig: a file of anchors cannot be read.
    """
    section = config.certificates
    if not section.anchors:
        return None
    try:
        pem = "\n".join(config.path(one).read_text("ascii") for one in section.anchors)
    except (OSError, UnicodeDecodeError):
        raise BadConfig("certificates: anchors: a file cannot be read") from None
    stale_after = timedelta(hours=section.stale_after_h)
    return Anchors(pem=pem, revocation=section.revocation, stale_after=stale_after)


def links_of(config: Config, sealed_store: SealedStore) -> Links:
    """Return what makes and checks the links of this instance."""
    return Links(key=sealed_store.derive("links"), public_url=config.instance.public_url)


def disclosing_of(
    config: Config, keys: InstanceKeys, render: Render, links: Links
) -> Callable[[datetime], Disclosing]:
    """Return what makes the circumstances of a disclosure at a time.

    Raises:
        BadConfig, BadKey: the mail routes cannot be used.
    """
    sender = mail_sender(config)
    return lambda now: Disclosing(
        instance=config.instance.name,
        new_id=clock.new_id,
        random_bytes=os.urandom,
        now=now,
        mail_signer=keys.mail_signer,
        links=links,
        review_months=config.policy.review_months,
        render=render,
        mail_from=sender,
    )


def jitter() -> random.Random:
    """Return a generator for waits, seeded by the operating system."""
    return random.Random(secrets.randbits(64))  # noqa: S311 - jitter, not secrecy
