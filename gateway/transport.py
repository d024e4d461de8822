"""Building the ways out: channels, and what they connect with, from a configuration."""

import asyncio
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway import clock
from gateway.channels.addresses import BadAddress
from gateway.channels.contract import Channel, Undeliverable
from gateway.channels.email import EmailChannel
from gateway.channels.http_client import USER_AGENT, GuardedClient
from gateway.channels.mail_routes import MailRoute, MailRoutes, NoSuchRoute
from gateway.channels.mesh import MeshChannel
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.simulator import ExerciseGuard, SimulatingChannel
from gateway.channels.webhook import WebhookChannel
from gateway.config import BadConfig, Config, EmailConfig, MeshConfig
from gateway.config.mail import MailRouteConfig
from gateway.config.sms import SmsConfig
from gateway.directory import Directory
from gateway.instance import InstanceKeys
from gateway.links import Links
from gateway.mesh_mailbox.client import MeshMailbox
from gateway.mesh_mailbox.messages import MeshAccount
from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Receipt, Reply
from gateway.model.party import ChannelName, Endpoint
from keys import webhook_signature
from keys.providers.secret_file import read_secret

if TYPE_CHECKING:
    from gateway.channels.sms import Caps, SmsChannel
    from gateway.channels.sms.caps import TextCaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Where what is heard of alerts goes, once they have left."""

    receipt: Callable[[Receipt], Awaitable[bool]]
    reply: Callable[[Reply], Awaitable[bool]]
    acknowledged: Callable[[AlertId], Awaitable[None]]  # by the simulator


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """The ways out, each behind the simulator and the guard of exercises."""

    by_name: Mapping[ChannelName, Channel]
    bare: Mapping[ChannelName, Channel]  # without those: for the operator's own mail
    texted: Callable[[Receipt], Awaitable[bool]]  # takes receipts of texts posted to us
    loops: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]  # that keep them ready

    async def close(self) -> None:
        """Close every one."""
        for channel in self.by_name.values():
            await channel.close()


def build_channels(
    config: Config,
    keys: InstanceKeys,
    directory: Directory,
    links: Links,
    hearing: Hearing,
    *,
    caps: "Callable[[Caps], TextCaps] | None" = None,
) -> Channels:
    """Make the channels the configuration names; webhooks need no configuration.

    `caps` makes what counts texts to a number among several processes; None: here alone.

    Raises:
        BadConfig, BadKey: some part of it cannot be used.
    """
    bare: dict[ChannelName, Channel] = {"webhook": _webhook(config, keys, directory, links)}
    texted = hearing.receipt
    loops: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {}
    if config.email is not None:
        bare["email"] = _email(config, config.email)
    if config.sms is not None:
        texts, texted = _sms(config, config.sms, hearing, caps)
        bare["sms"] = texts
        loops["texts"] = partial(_ready_for_ever, texts)
    if config.mesh is not None:
        bare["mesh"] = MeshChannel(
            source=_source(config),
            mailbox=mesh_mailbox(config, config.mesh),
            workflow_id=config.mesh.workflow_id,
        )
    guarded = {name: _guarded(config, channel, hearing) for name, channel in bare.items()}
    return Channels(by_name=guarded, bare=bare, texted=texted, loops=loops)


async def _ready_for_ever(texts: "SmsChannel") -> None:
    """Keep up what receipts and replies come in on, if anything does."""
    await texts.stay_ready()
    await asyncio.Event().wait()


def _guarded(config: Config, channel: Channel, hearing: Hearing) -> Channel:
    async def report(receipt: Receipt) -> None:
        await hearing.receipt(receipt)

    return ExerciseGuard(
        SimulatingChannel(
            channel,
            sleep=asyncio.sleep,
            enabled=config.simulator.enabled,
            acknowledge=hearing.acknowledged,
            report=report,
        )
    )


def _webhook(
    config: Config, keys: InstanceKeys, directory: Directory, links: Links
) -> WebhookChannel:
    def sign(endpoint: EndpointId, alert: AlertId, timestamp: int, body: bytes) -> str:
        held = directory.endpoint(endpoint)
        secret = [held.signing_secret] if held and held.signing_secret else []
        return webhook_signature.sign([keys.signing_key, *secret], alert, timestamp, body)

    context = client_tls(config, config.webhook.ca_file)
    if config.webhook.certificate is not None and config.webhook.key is not None:
        _load_chain(config, context, config.webhook.certificate, config.webhook.key, "webhook")
    return WebhookChannel(
        source=_source(config),
        sign=sign,
        policy=outbound_policy(config),
        ssl_context=context,
        clock=unix,
        timeout_s=config.webhook.timeout_s,
        collect_url=links.sealed,
        origin=config.instance.host,
    )


def _email(config: Config, email: EmailConfig) -> EmailChannel:
    try:
        default, *others = mail_routes(config, email)
        return EmailChannel(default=default, routes=others, clock=unix)
    except (BadAddress, ValueError) as error:
        raise BadConfig(f"email: {error}") from None


def mail_routes(config: Config, email: EmailConfig) -> list[MailRoute]:
    """Return the relays, the default one first.

    Raises:
        BadAddress, ValueError: one of them contradicts itself.
        BadKey: a password cannot be read.
    """
    own = email.bounces.mailbox if email.bounces else None
    return [
        _route(config, email, email, own),
        *(_route(config, email, one, one.bounces, one.name, one.domains) for one in email.route),
    ]


def _route(
    config: Config,
    email: EmailConfig,
    relay: EmailConfig | MailRouteConfig,
    bounces: str | None,
    name: str | None = None,
    domains: tuple[str, ...] = (),
) -> MailRoute:
    return MailRoute(
        host=relay.host,
        port=relay.port,
        security=relay.security,
        ssl_context=client_tls(config, relay.ca_file),
        sender=relay.sender or email.sender,
        hostname=relay.hostname or email.hostname,
        username=relay.username,
        password=read_secret(config.path(relay.password_file)) if relay.password_file else None,
        domains=domains,
        bounces=bounces,
        **({"name": name} if name else {}),
    )


def mail_sender(config: Config) -> Callable[[Endpoint], str | None]:
    """Return what names the sender that mail to an endpoint will have; None: no route takes it.

    Raises:
        BadConfig, BadKey: the routes cannot be used.
    """
    if config.email is None:
        return lambda _endpoint: None
    try:
        default, *others = mail_routes(config, config.email)
        routes = MailRoutes(default, others)
    except (BadAddress, ValueError) as error:
        raise BadConfig(f"email: {error}") from None

    def sender(endpoint: Endpoint) -> str | None:
        try:
            return routes.choose(endpoint.address, endpoint.route).sender
        except (NoSuchRoute, Undeliverable):
            return None

    return sender


def _sms(
    config: Config,
    sms: SmsConfig,
    hearing: Hearing,
    caps: "Callable[[Caps], TextCaps] | None",
) -> tuple["SmsChannel", Callable[[Receipt], Awaitable[bool]]]:
    from gateway.texts import build_sms  # late: only where texts are sent

    try:
        return build_sms(
            sms,
            secret=lambda path: read_secret(config.path(path)),
            tls=partial(client_tls, config),
            policy=outbound_policy(config),
            unix=unix,
            monotonic=time.monotonic,
            key=secrets.token_bytes(32),
            receipts=hearing.receipt,
            replies=hearing.reply,
            shared=caps,
        )
    except (BadAddress, ValueError) as error:
        raise BadConfig(f"sms: {error}") from None


def mesh_mailbox(config: Config, mesh: MeshConfig) -> MeshMailbox:
    """Return a client of the MESH mailbox: one for each use, since whoever uses it closes it."""
    context = client_tls(config, mesh.ca_file)
    if mesh.certificate is not None and mesh.key is not None:
        _load_chain(config, context, mesh.certificate, mesh.key, "mesh")
    try:
        return MeshMailbox(
            url=mesh.url,
            account=MeshAccount(
                mailbox=mesh.mailbox,
                password=read_secret(config.path(mesh.password_file)),
                shared_key=read_secret(config.path(mesh.shared_key_file)),
            ),
            policy=outbound_policy(config),
            ssl_context=context,
            clock=unix,
            new_nonce=partial(secrets.token_hex, 16),
            timeout_s=mesh.timeout_s,
        )
    except BadAddress as error:
        raise BadConfig(f"mesh: url: {error}") from None


def guarded_client(config: Config) -> GuardedClient:
    """Return a client for what is asked or told over HTTPS beside alerts."""
    return GuardedClient(
        policy=outbound_policy(config),
        ssl_context=client_tls(config, config.webhook.ca_file),
        timeout_s=config.webhook.timeout_s,
        user_agent=USER_AGENT,
    )


def outbound_policy(config: Config) -> OutboundPolicy:
    """Return where this gateway may connect to."""
    return OutboundPolicy(
        allowed_networks=config.webhook.allowed_networks,
        allow_plain_http=config.webhook.allow_plain_http,
    )


def client_tls(config: Config, ca_file: Path | None) -> ssl.SSLContext:
    """Return a verifying client context: the system's roots, or only the file named.

    Raises:
        BadConfig: the file is not there.
    """
    if ca_file is None:
        context = ssl.create_default_context()
    else:
        path = config.path(ca_file)
        if not path.is_file():
            raise BadConfig(f"ca_file {ca_file} is not there")
        context = ssl.create_default_context(cafile=str(path))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def unix() -> float:
    """Return the time in Unix seconds. Reads the wall clock."""
    return clock.now().timestamp()


def _load_chain(
    config: Config, context: ssl.SSLContext, certificate: Path, key: Path, section: str
) -> None:
    try:
        context.load_cert_chain(config.path(certificate), config.path(key))
    except (OSError, ssl.SSLError):
        raise BadConfig(f"{section}: certificate or key cannot be used") from None


def _source(config: Config) -> str:
    return f"urn:throughgate:{config.instance.name}"
