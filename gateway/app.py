"""Wiring: from a configuration to a running gateway, and down again in order."""

import contextlib
import os
import random
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn

import structlog
from aiohttp import web

from adapters.contract import Adapter
from gateway import clock
from gateway.adapters_of import adapters_of
from gateway.channels.addresses import BadAddress
from gateway.channels.contract import Channel
from gateway.channels.email import EmailChannel
from gateway.channels.mesh import MeshChannel
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms import SmsChannel
from gateway.channels.webhook import WebhookChannel
from gateway.config import BadConfig, Config, MeshConfig
from gateway.deliver import Deliverer, Delivering
from gateway.directory import Directory
from gateway.disclose import Disclosing
from gateway.duties.chase import Chaser
from gateway.feeds.build import build_sources
from gateway.feeds.runner import FeedRunner, Source
from gateway.http import agencies, log, operators, people
from gateway.instance import InstanceKeys, load_keys, load_law, note_rulebook
from gateway.mesh_mailbox.client import MeshMailbox
from gateway.mesh_mailbox.messages import MeshAccount
from gateway.model.ids import AlertId, EndpointId
from gateway.model.party import ChannelName
from gateway.pipeline import Pipeline
from gateway.receive import MAX_BODY_BYTES
from gateway.rendering import Render, rendering
from gateway.store import outbox
from gateway.store.log_reader import StoreLogReader
from gateway.store.store import Store
from keys import webhook_signature
from keys.providers.secret_file import read_secret

_LOG = structlog.get_logger()


@contextlib.asynccontextmanager
async def running(
    config: Config, *, slot: int = 0, slots: int = 1, now: Callable[[], datetime] = clock.now
) -> AsyncIterator[web.Application]:
    """Open the store, start the path, and yield the HTTP application that feeds it.

    `now` is the time decisions, holds and retries go by.

    On leaving: stop taking work, let attempts under way be recorded, close in reverse order.

    Raises:
        StoreUnavailable, KeyProblem, BadRulebook, BadConfig: before anything is served.
    """
    keys = load_keys(config)
    law = load_law(config)
    adapters = adapters_of(config)
    sources = _sources(config, adapters) if slot == 0 else ()
    store = await Store.open(
        config.path(config.instance.database),
        key_encryption_key=keys.key_encryption_key,
        log_key=keys.log_key,
        on_fatal=_fatal,
        slot=slot,
        slots=slots,
    )
    await store.commit(note_rulebook(law.rulebook.digest, clock.now()))
    directory = Directory(store.reader, law.catalogues)
    channels = build_channels(config, keys, directory)
    chaser = Chaser(
        store=store,
        directory=directory,
        clocks=lambda: law.catalogues.clocks,
        now=now,
        new_id=clock.new_id,
    )
    pipeline = Pipeline(
        store=store,
        directory=directory,
        law=law,
        adapters=adapters,
        disclosing=_disclosing(config, keys, rendering(adapters)),
        deliverer=_deliverer(config, store, directory, channels, now),
        clock=now,
        new_id=clock.new_id,
        undecided_bound=config.http.undecided_bound,
        chase=chaser.run if slot == 0 else None,
    )
    application = web.Application(client_max_size=MAX_BODY_BYTES)
    application.add_routes(agencies.routes(pipeline, adapters))
    application.add_routes(operators.routes(pipeline))
    reader = StoreLogReader(store, keys.log_key.verifier, clock.now)
    application.add_routes(log.routes(reader, allow_remote=config.log.entries_for == "anyone"))
    consulting = people.Consulting(
        store=store,
        directory=directory,
        rulebook=law.rulebook,
        clock=clock.now,
        justified=config.log.justification == "required",
    )
    application.add_routes(people.routes(consulting))
    feeds = FeedRunner(sources, pipeline.feed, rng=_rng())
    await pipeline.start(beside=feeds.loops)
    _LOG.info("serving", rulebook=law.rulebook.digest, slot=slot, workers=slots)
    try:
        yield application
    finally:
        await pipeline.stop()
        await feeds.close()
        for channel in channels.values():
            await channel.close()
        await store.close()


def _sources(config: Config, adapters: Mapping[str, Adapter]) -> Sequence[Source]:
    return build_sources(
        config,
        adapters,
        clock=clock.now,
        new_id=clock.new_id,
        mesh_mailbox=partial(_mesh_mailbox, config, config.mesh) if config.mesh else None,
    )


def _deliverer(
    config: Config,
    store: Store,
    directory: Directory,
    channels: Mapping[ChannelName, Channel],
    now: Callable[[], datetime],
) -> Deliverer:
    return Deliverer(
        Delivering(
            channels=channels,
            address_of=directory.address_of,
            still_pending=lambda key: outbox.is_pending(store.reader, key),
            commit=store.commit,
            clock=now,
            rng=_rng(),
            ladder=tuple(timedelta(seconds=seconds) for seconds in config.delivery.ladder_s),
            give_up_after=timedelta(seconds=config.delivery.give_up_after_s),
        )
    )


def build_channels(
    config: Config, keys: InstanceKeys, directory: Directory
) -> Mapping[ChannelName, Channel]:
    """Make the channels the configuration names; webhooks need no configuration."""
    policy = _outbound(config)

    def sign(endpoint: EndpointId, alert: AlertId, timestamp: int, body: bytes) -> str:
        held = directory.endpoint(endpoint)
        secret = [held.signing_secret] if held and held.signing_secret else []
        return webhook_signature.sign([keys.signing_key, *secret], alert, timestamp, body)

    channels: dict[ChannelName, Channel] = {
        "webhook": WebhookChannel(
            source=f"urn:throughgate:{config.instance.name}",
            sign=sign,
            policy=policy,
            ssl_context=_tls(config, config.webhook.ca_file),
            clock=_unix,
            timeout_s=config.webhook.timeout_s,
        )
    }
    if config.email is not None:
        password = config.email.password_file
        channels["email"] = EmailChannel(
            host=config.email.host,
            port=config.email.port,
            security=config.email.security,
            ssl_context=_tls(config, config.email.ca_file),
            sender=config.email.sender,
            hostname=config.email.hostname,
            username=config.email.username,
            password=read_secret(config.path(password)) if password else None,
            clock=_unix,
        )
    if config.sms is not None:
        channels["sms"] = SmsChannel(
            base_url=config.sms.base_url,
            api_key=read_secret(config.path(config.sms.api_key_file)),
            template_id=config.sms.template_id,
            policy=policy,
            ssl_context=_tls(config, config.sms.ca_file),
            clock=_unix,
        )
    if config.mesh is not None:
        channels["mesh"] = MeshChannel(
            source=f"urn:throughgate:{config.instance.name}",
            mailbox=_mesh_mailbox(config, config.mesh),
            workflow_id=config.mesh.workflow_id,
        )
    return channels


def _mesh_mailbox(config: Config, mesh: MeshConfig) -> MeshMailbox:
    """Return a client of the MESH mailbox: one for each use, since whoever uses it closes it."""
    context = _tls(config, mesh.ca_file)
    try:
        if mesh.certificate is not None and mesh.key is not None:
            context.load_cert_chain(config.path(mesh.certificate), config.path(mesh.key))
        return MeshMailbox(
            url=mesh.url,
            account=MeshAccount(
                mailbox=mesh.mailbox,
                password=read_secret(config.path(mesh.password_file)),
                shared_key=read_secret(config.path(mesh.shared_key_file)),
            ),
            policy=_outbound(config),
            ssl_context=context,
            clock=_unix,
            new_nonce=partial(secrets.token_hex, 16),
            timeout_s=mesh.timeout_s,
        )
    except (OSError, ssl.SSLError):
        raise BadConfig("mesh: certificate or key cannot be used") from None
    except BadAddress as error:
        raise BadConfig(f"mesh: url: {error}") from None


def _disclosing(
    config: Config, keys: InstanceKeys, render: Render
) -> Callable[[datetime], Disclosing]:
    return lambda now: Disclosing(
        instance=config.instance.name,
        new_id=clock.new_id,
        random_bytes=os.urandom,
        now=now,
        mail_signer=keys.mail_signer,
        public_url=config.instance.public_url,
        review_months=config.policy.review_months,
        render=render,
    )


def _outbound(config: Config) -> OutboundPolicy:
    return OutboundPolicy(
        allowed_networks=config.webhook.allowed_networks,
        allow_plain_http=config.webhook.allow_plain_http,
    )


def _tls(config: Config, ca_file: Path | None) -> ssl.SSLContext:
    """Return a verifying client context: the system's roots, or only the file named."""
    if ca_file is None:
        context = ssl.create_default_context()
    else:
        path = config.path(ca_file)
        if not path.is_file():
            raise BadConfig(f"ca_file {ca_file} is not there")
        context = ssl.create_default_context(cafile=str(path))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _rng() -> random.Random:
    return random.Random(secrets.randbits(64))  # noqa: S311 - jitter, not secrecy


def _unix() -> float:
    return clock.now().timestamp()


def _fatal(code: str) -> NoReturn:
    """Stop at once: after a failed commit nothing in memory may be trusted or acknowledged."""
    _LOG.critical("store failed: stopping", error=code)
    os._exit(70)
