"""Texts: the channel, its carriers, and what comes back from them."""

from gateway.channels.sms.caps import Caps
from gateway.channels.sms.channel import SmsChannel
from gateway.channels.sms.failover import Rule
from gateway.channels.sms.notify import NotifyProvider
from gateway.channels.sms.provider import SmsProvider
from gateway.channels.sms.smpp import SmppAccount, SmppProvider
from gateway.channels.sms.smpp_session import Patience

__all__ = [
    "Caps",
    "NotifyProvider",
    "Patience",
    "Rule",
    "SmppAccount",
    "SmppProvider",
    "SmsChannel",
    "SmsProvider",
]
