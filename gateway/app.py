"""Wiring: from a configuration to a running gateway, and down again in order."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NoReturn

import structlog
from aiohttp import web

from adapters.contract import Adapter
from gateway import clock
from gateway.adapters_of import adapters_of
from gateway.adoption import Adopted, law_in_force
from gateway.answering import Answering
from gateway.assembly import (
    Own,
    answering_of,
    channels_of,
    deliverer_of,
    disclosing_of,
    incidents_of,
    jitter,
    leasing_of,
    links_of,
    pipeline_of,
    shards_of,
    spread_over,
)
from gateway.collecting import Collecting
from gateway.config import BadConfig, Config
from gateway.console import shell
from gateway.console.own import ConsoleOwn
from gateway.console.pages import every
from gateway.directory import Directory
from gateway.exposition import Exposition
from gateway.feeds.build import build_sources
from gateway.feeds.runner import FeedRunner, Source
from gateway.for_all import loops_of_one
from gateway.gauges import Gauges
from gateway.http import agencies, log, operators, people, pickup, sealed, texting, witnessed
from gateway.http import alerts as alert_routes
from gateway.instance import VKEY_NAME, InstanceKeys, high_water_of, load_keys, note_rulebook
from gateway.leasing import Leasing
from gateway.links import Links
from gateway.loops import Loop
from gateway.pipeline import Pipeline
from gateway.receive import MAX_BODY_BYTES
from gateway.rendering import rendering
from gateway.roles import Role
from gateway.second_factor import Passkeys
from gateway.shards import Shards, while_first
from gateway.standing import Standing, refusals_of
from gateway.store.group_commit import Unit
from gateway.store.log_reader import StoreLogReader
from gateway.store.place import place_of
from gateway.store.store import Store
from gateway.traces import OFF, Traces, traces_of
from gateway.transport import Channels, mesh_mailbox
from keys.providers.secret_file import read_secret

LEAVING: Final = web.AppKey("leaving", asyncio.Event)  # set: connections end with their answers

_LOG = structlog.get_logger()


@contextlib.asynccontextmanager
async def running(
    config: Config,
    *,
    slot: int = 0,
    slots: int = 1,
    now: Callable[[], datetime] = clock.now,
    role: Role = Role.ALL,
    may_begin: asyncio.Event | None = None,
) -> AsyncIterator[web.Application]:
    """Open the store, start the path, and yield the HTTP application that feeds it.

    It is worker `slot` of `slots` on this machine; `now` is the time decisions, holds, retries and
    deadlines go by; `may_begin` is set when the worker before this one has ended, and what is
    accepted until then is stored, and left (None: there is none before it).

    On leaving: stop taking work, let attempts under way be recorded, let others take over what is
    owned by lease, close in reverse order.

    Raises:
        StoreUnavailable, KeyProblem, BadRulebook, BadConfig: before anything is served.
    """
    keys = load_keys(config)
    adapters = adapters_of(config)
    shards = shards_of(config, slot=slot, slots=slots, resting=may_begin is not None)
    sources = _sources(config, adapters) if role.works and shards.may_be_first else ()
    async with contextlib.AsyncExitStack() as closing:
        store = await _open(config, keys, shards, slot, closing)
        standing = Standing(store=store, config=config)
        adopted, noted = await _law(config, store, standing)
        links = links_of(config, store.sealed)
        traces = _traces(config, store, closing)
        wake, spread = await spread_over(config, store, closing)
        own = Own(
            config=config,
            keys=keys,
            law=adopted.law,
            store=store,
            directory=Directory(store.reader, adopted.law.catalogues),
            links=links,
            disclosing=disclosing_of(config, keys, rendering(adapters), links),
            now=now,
            standing=standing,
            traces=traces,
            wake=wake,
            spread=spread,
        )
        answering = answering_of(own)
        channels = channels_of(own, answering)
        closing.push_async_callback(channels.close)
        incidents = incidents_of(own, channels, closing)
        if adopted.trouble:
            incidents.report(*adopted.trouble)
        deliverer = deliverer_of(own, channels, incidents)
        pipeline = pipeline_of(own, adapters, deliverer, incidents)
        feeds = FeedRunner(sources, pipeline.feed, rng=jitter())
        closing.push_async_callback(feeds.close)
        gauges = Gauges(config=config, directory=own.directory, now=now)
        closing.push_async_callback(gauges.close)
        exposition = exposition_of(config, slot=slot, slots=slots, role=role)
        application = _application(traces)
        application.add_routes(_operators_routes(own, pipeline, gauges, exposition))
        if role.accepts:
            application.add_routes(_routes(own, pipeline, adapters, answering, channels))
        beside = spread.loops if spread else {}
        loops: dict[str, Loop] = {**beside, **channels.loops, "incidents": incidents.run}
        loops |= {"metrics": exposition.run} if slots > 1 else {}
        loops |= {"note-rulebook": standing.noting(noted)} if standing.read_only else {}
        loops |= {"begin": partial(_begin, shards, may_begin)} if may_begin is not None else {}
        if role.works and shards.may_be_first:
            loops |= {name: while_first(shards, loop) for name, loop in feeds.loops.items()}
            loops |= loops_of_one(own, deliverer, incidents, closing)
        leasing = leasing_of(own) if shards.leased and role.works else None
        await _start(pipeline, loops, leasing, closing, works=role.works)
        _LOG.info("serving", rulebook=adopted.law.rulebook.digest, slot=slot, workers=slots)
        yield application


async def _law(config: Config, store: Store, standing: Standing) -> tuple[Adopted, Unit[None]]:
    """Return what is in force, and the unit that notes it; committed, if anything may be now."""
    adopted = law_in_force(config, store.reader)
    noted = note_rulebook(adopted.law.rulebook.digest, clock.now(), adopted.texts)
    if not standing.read_only:
        await store.commit(noted)
    return adopted, noted


async def _open(
    config: Config,
    keys: InstanceKeys,
    shards: Shards,
    slot: int,
    closing: contextlib.AsyncExitStack,
) -> Store:
    store = await Store.open(
        place_of(config),
        key_encryption_key=keys.key_encryption_key,
        log_key=keys.log_key,
        on_fatal=_fatal,
        slot=slot,
        shards=shards,
        published=high_water_of(config).known(),
    )
    closing.push_async_callback(store.close)
    return store


def _application(traces: Traces) -> web.Application:
    leaving = asyncio.Event()
    application = web.Application(
        client_max_size=MAX_BODY_BYTES, middlewares=[operators.measured(traces, leaving)]
    )
    application[LEAVING] = leaving
    return application


async def _start(
    pipeline: Pipeline,
    loops: Mapping[str, Loop],
    leasing: Leasing | None,
    closing: contextlib.AsyncExitStack,
    *,
    works: bool,
) -> None:
    """Start the path, and see to it that it stops in order: what is under way ends under its
    lease, and each lease is given up as soon as nothing of it is."""
    if leasing is None:
        await pipeline.start(loops, works=works)
        closing.push_async_callback(pipeline.stop)
        return
    leasing.serve(pipeline)
    await leasing.turn()
    closing.push_async_callback(leasing.stop)
    await pipeline.start(loops, {"leases": leasing.run}, works=works)
    closing.push_async_callback(pipeline.stop)
    closing.callback(leasing.leave)


async def _begin(shards: Shards, may_begin: asyncio.Event) -> None:
    """Own what is to be owned as soon as it may be; the next sweep finds it."""
    await may_begin.wait()
    shards.begin()
    _LOG.info("work taken over")
    await asyncio.Event().wait()  # a loop that ends is a fault


def _traces(config: Config, store: Store, closing: contextlib.AsyncExitStack) -> Traces:
    key = store.sealed.derive("traces")
    traces = traces_of(config.telemetry, instance=config.instance.name, key=key)
    closing.push_async_callback(asyncio.to_thread, traces.close)
    return traces


def _routes(
    own: Own,
    pipeline: Pipeline,
    adapters: Mapping[str, Adapter],
    answering: Answering,
    channels: Channels,
) -> Iterable[web.RouteDef]:
    config, store = own.config, own.store
    reader = StoreLogReader(store, lambda: vkeys_of(config), clock.now)
    consulting = people.Consulting(
        store=store,
        directory=own.directory,
        rulebook=own.law.rulebook,
        clock=clock.now,
        justified=config.log.justification == "required",
    )
    collecting = collecting_of(config, store, own.links, own.now, own.traces)
    yield from agencies.routes(pipeline, adapters)
    yield from log.routes(reader, allow_remote=config.log.entries_for == "anyone")
    yield from witnessed.routes(store.reader)
    yield from console_of(own)
    yield from people.routes(consulting)
    yield from alert_routes.routes(answering)
    yield from sealed.routes(collecting.sealed)
    yield from pickup.routes(
        pickup.PickUp(collecting=collecting, wrong_after_s=config.pick_up.wrong_after_s)
    )
    if config.sms is not None and config.sms.callback_token_file is not None:
        token = read_secret(config.path(config.sms.callback_token_file))
        try:
            yield from texting.routes(channels.texted, answering.answer_by_text, token)
        except ValueError as error:
            raise BadConfig(f"sms: callback_token_file: {error}") from None


def _operators_routes(
    own: Own, pipeline: Pipeline, gauges: Gauges, exposition: Exposition
) -> Iterable[web.RouteDef]:
    async def scrape() -> bytes:
        return exposition.text(await gauges.families())

    return operators.routes(pipeline, refused=lambda: refusals_of(own.store), scrape=scrape)


def console_of(own: Own) -> Iterable[web.RouteDef]:
    """Return the routes of the console."""
    console = ConsoleOwn(
        config=own.config,
        store=own.store,
        directory=own.directory,
        law=own.law,
        now=own.now,
        new_id=clock.new_id,
        random_bytes=os.urandom,
    )
    return shell.routes(console, every.routes(console))


def vkeys_of(config: Config) -> str:
    """Return every key the log was ever signed with, one a line."""
    return (config.home / VKEY_NAME).read_text("utf-8")


def collecting_of(
    config: Config, store: Store, links: Links, now: Callable[[], datetime], traces: Traces = OFF
) -> Collecting:
    """Return what lets recipients collect alerts."""
    section = config.pick_up
    passkeys = Passkeys.of(
        config.instance.public_url,
        key=store.sealed.derive("webauthn"),
        lifetime=timedelta(seconds=section.challenge_s),
    )
    return Collecting(
        store=store,
        links=links,
        passkeys=passkeys,
        clock=now,
        expires_after=timedelta(seconds=section.expires_s),
        traces=traces,
    )


def _sources(config: Config, adapters: Mapping[str, Adapter]) -> Sequence[Source]:
    return build_sources(
        config,
        adapters,
        clock=clock.now,
        new_id=clock.new_id,
        mesh_mailbox=partial(mesh_mailbox, config, config.mesh) if config.mesh else None,
    )


def exposition_of(config: Config, *, slot: int, slots: int, role: Role = Role.ALL) -> Exposition:
    """Return what answers scrapes for all workers."""
    folder = config.local_state(".metrics" if role is Role.ALL else f".{role}.metrics")
    return Exposition(folder=folder, slot=slot, slots=slots, now=clock.now)


def _fatal(code: str) -> NoReturn:
    """Stop at once: after a failed commit nothing in memory may be trusted or acknowledged."""
    _LOG.critical("store failed: stopping", error=code)
    os._exit(70)
