"""Wiring: from a configuration to a running gateway, and down again in order."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn

import structlog
from aiohttp import web

from adapters.contract import Adapter
from gateway import clock
from gateway.adapters_of import adapters_of
from gateway.adoption import law_in_force
from gateway.answering import Answering
from gateway.assembly import (
    Own,
    deliverer_of,
    disclosing_of,
    hearing_of,
    incidents_of,
    jitter,
    links_of,
    loops_of_one,
    pipeline_of,
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
from gateway.gauges import Gauges
from gateway.http import agencies, log, operators, people, pickup, sealed, texting, witnessed
from gateway.http import alerts as alert_routes
from gateway.instance import VKEY_NAME, high_water_of, load_keys, note_rulebook
from gateway.links import Links
from gateway.pipeline import Pipeline
from gateway.receive import MAX_BODY_BYTES
from gateway.rendering import rendering
from gateway.second_factor import Passkeys
from gateway.standing import Standing
from gateway.store.log_reader import StoreLogReader
from gateway.store.store import Store
from gateway.traces import OFF, Traces, traces_of
from gateway.transport import (
    Channels,
    build_channels,
    mesh_mailbox,
)
from keys.providers.secret_file import read_secret

_LOG = structlog.get_logger()


@contextlib.asynccontextmanager
async def running(
    config: Config, *, slot: int = 0, slots: int = 1, now: Callable[[], datetime] = clock.now
) -> AsyncIterator[web.Application]:
    """Open the store, start the path, and yield the HTTP application that feeds it.

    `now` is the time decisions, holds, retries and deadlines go by.

    On leaving: stop taking work, let attempts under way be recorded, close in reverse order.

    Raises:
        StoreUnavailable, KeyProblem, BadRulebook, BadConfig: before anything is served.
    """
    keys = load_keys(config)
    adapters = adapters_of(config)
    sources = _sources(config, adapters) if slot == 0 else ()
    async with contextlib.AsyncExitStack() as closing:
        store = await Store.open(
            config.path(config.instance.database),
            key_encryption_key=keys.key_encryption_key,
            log_key=keys.log_key,
            on_fatal=_fatal,
            slot=slot,
            slots=slots,
            published=high_water_of(config).known(),
        )
        closing.push_async_callback(store.close)
        standing = Standing(store=store, config=config)
        adopted = law_in_force(config, store.reader)
        law = adopted.law
        noted = note_rulebook(law.rulebook.digest, clock.now(), adopted.texts)
        if not standing.read_only:
            await store.commit(noted)
        links = links_of(config, store.sealed)
        traces = _traces(config, store, closing)
        own = Own(
            config=config,
            keys=keys,
            law=law,
            store=store,
            directory=Directory(store.reader, law.catalogues),
            links=links,
            disclosing=disclosing_of(config, keys, rendering(adapters), links),
            now=now,
            standing=standing,
            traces=traces,
        )
        answering = Answering(
            store=store, directory=own.directory, links=links, now=now, traces=traces
        )
        channels = build_channels(config, keys, own.directory, links, hearing_of(own, answering))
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
        exposition = exposition_of(config, slot=slot, slots=slots)
        application = web.Application(
            client_max_size=MAX_BODY_BYTES, middlewares=[operators.measured(traces)]
        )
        application.add_routes(
            _routes(own, pipeline, adapters, answering, channels, (gauges, exposition))
        )
        loops = {**feeds.loops, **channels.loops, "incidents": incidents.run}
        loops |= {"metrics": exposition.run} if slots > 1 else {}
        loops |= {"note-rulebook": standing.noting(noted)} if standing.read_only else {}
        loops |= loops_of_one(own, deliverer, incidents, closing) if slot == 0 else {}
        await pipeline.start(beside=loops)
        closing.push_async_callback(pipeline.stop)
        _LOG.info("serving", rulebook=law.rulebook.digest, slot=slot, workers=slots)
        yield application


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
    measuring: tuple[Gauges, Exposition],
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
    gauges, exposition = measuring

    async def scrape() -> bytes:
        return exposition.text(await gauges.families())

    yield from operators.routes(pipeline, refused=lambda: refusals_of(store), scrape=scrape)
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


def exposition_of(config: Config, *, slot: int, slots: int) -> Exposition:
    """Return what answers scrapes for all workers."""
    folder = config.path(config.instance.database).with_suffix(".metrics")
    return Exposition(folder=folder, slot=slot, slots=slots, now=clock.now)


def refusals_of(store: Store) -> Iterator[str]:
    """Yield the codes of why a store takes nothing now."""
    if store.behind is not None:
        yield "log-behind"
    elif store.refused is not None:
        yield store.refused


def _fatal(code: str) -> NoReturn:
    """Stop at once: after a failed commit nothing in memory may be trusted or acknowledged."""
    _LOG.critical("store failed: stopping", error=code)
    os._exit(70)
