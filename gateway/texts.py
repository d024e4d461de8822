"""Building the channel for texts from its section of the configuration."""

import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms import (
    Caps,
    NotifyProvider,
    Patience,
    Rule,
    SmppAccount,
    SmppProvider,
    SmsChannel,
    SmsProvider,
)
from gateway.channels.sms.caps import TextCaps
from gateway.config.sms import ProviderName, SmppConfig, SmsConfig
from gateway.model.outcome import Receipt, Reply


def build_sms(
    sms: SmsConfig,
    *,
    secret: Callable[[Path], str],
    tls: Callable[[Path | None], ssl.SSLContext],
    policy: OutboundPolicy,
    unix: Callable[[], float],
    monotonic: Callable[[], float],
    key: bytes,
    receipts: Callable[[Receipt], Awaitable[bool]],
    replies: Callable[[Reply], Awaitable[bool]],
    shared: Callable[[Caps], TextCaps] | None = None,
) -> tuple[SmsChannel, Callable[[Receipt], Awaitable[bool]]]:
    """Build the channel of an [sms] section.

    Args:
        sms: The section.
        secret: Reads a secret from a file named in the section.
        tls: Makes a context that trusts an authority's file, or the system's store.
        policy: Where connections may go.
        unix: Unix seconds.
        monotonic: Seconds of a clock that never goes back.
        key: 32 random bytes; numbers are counted by digests under it.
        receipts: Takes receipts.
        replies: Takes replies.
        shared: Makes what counts texts among several processes; None: they are counted here.

    Returns:
        The channel, and the sink that every receipt should go to, those posted over HTTP included:
        it lets the channel know how prompt a carrier is, then passes the receipt to `receipts`.

    Raises:
        BadAddress, ValueError: as the carriers'.
    """

    async def heard(receipt: Receipt) -> bool:
        channel.heard(receipt)
        return await receipts(receipt)

    def smpp() -> SmsProvider:
        if sms.smpp is None:
            raise ValueError("smpp is not configured")
        return SmppProvider(
            _account(sms.smpp, secret),
            ssl_context=tls(sms.smpp.ca_file) if sms.smpp.tls else None,
            policy=policy,
            receipts=heard,
            replies=replies,
            patience=_patience(sms.smpp),
        )

    makers: dict[ProviderName, Callable[[], SmsProvider]] = {
        "notify": partial(_notify, sms, secret, tls, policy, unix),
        "smpp": smpp,
    }
    caps = Caps(**sms.caps.model_dump())
    channel = SmsChannel(
        providers=[makers[name]() for name in sms.configured],
        caps=caps,
        shared=shared(caps) if shared else None,
        rule=Rule(**sms.failover.model_dump()),
        key=key,
        monotonic=monotonic,
        timeout_s=sms.timeout_s,
        quiet_s=sms.quiet_s,
    )
    return channel, heard


def _notify(
    sms: SmsConfig,
    secret: Callable[[Path], str],
    tls: Callable[[Path | None], ssl.SSLContext],
    policy: OutboundPolicy,
    unix: Callable[[], float],
) -> SmsProvider:
    if sms.api_key_file is None or sms.template_id is None:
        raise ValueError("notify is not configured")
    return NotifyProvider(
        base_url=sms.base_url,
        api_key=secret(sms.api_key_file),
        template_id=sms.template_id,
        policy=policy,
        ssl_context=tls(sms.ca_file),
        clock=unix,
        sends_receipts=sms.callback_token_file is not None,
    )


def _account(smpp: SmppConfig, secret: Callable[[Path], str]) -> SmppAccount:
    return SmppAccount(
        host=smpp.host,
        port=smpp.port,
        tls=smpp.tls,
        system_id=smpp.system_id,
        password=secret(smpp.password_file),
        source=smpp.source,
    )


def _patience(smpp: SmppConfig) -> Patience:
    return Patience(window=smpp.window, enquire_s=smpp.enquire_s, answer_s=smpp.answer_s)
