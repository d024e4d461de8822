"""The parts of one running gateway, put together from its configuration."""

import contextlib
import os
import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from adapters.contract import Adapter
from gateway import clock
from gateway.answering import Answering
from gateway.config import BadConfig, Config
from gateway.deliver import Deliverer, Delivering
from gateway.delivery.breaker import BreakerTerms
from gateway.delivery.proofs import with_witnessed_proofs
from gateway.directory import Directory
from gateway.disclose import Disclosing
from gateway.duties.chase import Chaser
from gateway.incidents import Incidents, Sink, mail_sink, webhook_sink
from gateway.instance import InstanceKeys
from gateway.law import Law
from gateway.leasing import Leasing
from gateway.links import Links
from gateway.model.ids import AlertId
from gateway.model.outcome import Receipt
from gateway.pipeline import Pipeline
from gateway.rendering import Render
from gateway.reseal import Preparing
from gateway.shards import Shards
from gateway.spreading import spread_of
from gateway.standing import Standing
from gateway.store import alerts, receipts
from gateway.store.owed import Owed
from gateway.store.sealed import SealedStore
from gateway.store.store import Store
from gateway.traces import OFF, Traces
from gateway.transport import Channels, Hearing, build_channels, guarded_client, mail_sender
from gateway.waking import Alone, Wake

if TYPE_CHECKING:
    from gateway.spread.spread import Spread


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
    wake: Wake | None = None  # scaled: tells other processes
    spread: "Spread | None" = None  # where there is a Redis


def shards_of(config: Config, *, slot: int, slots: int, resting: bool = False) -> Shards:
    """Return what a serving process owns: by lease where several hosts may share the store."""
    if config.postgres is not None:
        return Shards.by_lease()
    return Shards.of_worker(slot, slots, resting=resting)


async def spread_over(
    config: Config, store: Store, closing: contextlib.AsyncExitStack
) -> "tuple[Wake | None, Spread | None]":
    """Return what tells other processes of new work, None where there are no others; and what goes
    over Redis, without which work is found by looking."""
    if not store.shards.leased:
        return None, None
    spread = spread_of(config, store, breaker_terms(config), jitter())
    if spread is None:
        return Alone(), None
    await spread.start()
    closing.push_async_callback(spread.close)
    return spread.wake, spread


def breaker_terms(config: Config) -> BreakerTerms:
    """Return when an endpoint is left alone, and for how long."""
    terms = config.delivery
    return BreakerTerms(
        failures=terms.breaker_failures,
        shortest_s=terms.breaker_first_s,
        longest_s=terms.breaker_longest_s,
    )


def leasing_of(own: Own) -> Leasing:
    """Return what keeps the leases of this start of this process."""
    return Leasing(
        store=own.store,
        holder=clock.new_id("own"),
        now=clock.now,
        lease_for=timedelta(seconds=own.config.delivery.lease_s),
        wake=own.wake,
    )


def answering_of(own: Own) -> Answering:
    """Return what takes the answers of recipients in."""
    return Answering(
        store=own.store, directory=own.directory, links=own.links, now=own.now, traces=own.traces
    )


def channels_of(own: Own, answering: Answering) -> Channels:
    """Return the channels of one running gateway.

    Raises:
        BadConfig, BadKey: some part of them cannot be used.
    """
    return build_channels(
        own.config,
        own.keys,
        own.directory,
        own.links,
        hearing_of(own, answering),
        caps=own.spread.caps if own.spread else None,
    )


def hearing_of(own: Own, answering: Answering) -> Hearing:
    """Return where what is heard of alerts goes."""

    async def acknowledged(alert: AlertId) -> None:
        unit = alerts.answer(
            alert, "acknowledged", means="api", by="simulator", reason=None, now=own.now()
        )
        await own.store.commit(unit)

    return Hearing(
        receipt=partial(receive, own), reply=answering.answer_by_text, acknowledged=acknowledged
    )


async def receive(own: Own, heard: Receipt) -> bool:
    """Take in what a carrier said of an alert; return whether it is one of ours."""
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
    """Return the straight line, with the chaser of duties in that of whoever owns the first."""
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
        chase=chaser.run,
        while_whole=own.standing.while_whole,
        traces=own.traces,
        wake=own.wake,
        called=own.spread.called if own.spread else None,
    )


def deliverer_of(own: Own, channels: Channels, incidents: Incidents) -> Deliverer:
    """Return what makes the attempts."""
    terms, store = own.config.delivery, own.store
    owed = Owed(store.reader, store.shards)
    preparing = Preparing(
        store=store,
        directory=own.directory,
        disclosing=own.disclosing,
        clock=own.now,
        report=incidents.report,
    )
    spread = own.spread
    deliverer = Deliverer(
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
            workers=lambda: store.shards.holders,
            rate_of=spread.rates.of if spread else None,
            breaker_of=spread.breakers.of if spread else None,
            tokens=lambda: store.shards.tokens,
            breaker=breaker_terms(own.config),
            step_after=timedelta(seconds=terms.step_after_s),
            held=lambda: own.standing.read_only,
            report=incidents.report,
        )
    )
    if spread is not None:
        spread.breakers.changed = deliverer.breaker_changed
    return deliverer


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
