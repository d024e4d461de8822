"""Which relay a mailbox is reached over: a transport rule of its own for each class of recipient.

A recipient whose domain a named route claims goes over that route and never over another: when
it is down the alert waits. Only what no route claims goes over the default route.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.channels.addresses import BadAddress, check_host_name, check_mailbox
from gateway.channels.contract import Undeliverable
from gateway.channels.smtp_pool import Relay, Security
from gateway.channels.tls import verifying_context
from gateway.model.ids import AlertId

DEFAULT = "default"


class NoSuchRoute(Exception):
    """The directory names a route that the configuration does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRoute:
    """One relay, who we are to it, and the domains that are reached over it and nothing else.

    Raises:
        BadAddress: sender, bounces, hostname or a domain is malformed.
        ValueError: the TLS context does not check certificates and names.
    """

    name: str = DEFAULT
    domains: tuple[str, ...] = ()  # each with everything below it; the default route has none
    host: str  # its certificate must name it
    port: int
    security: Security  # TLS from the first byte, or nothing sent without STARTTLS
    ssl_context: ssl.SSLContext | None  # None for the system's certificate store
    sender: str  # mailbox of the From header, and of the envelope unless there is `bounces`
    hostname: str  # how the relay is greeted, and the right side of every Message-ID
    bounces: str | None = None  # mailbox that also takes `+<alert id>`: the return path
    username: str | None = field(default=None, repr=False)  # None to send no AUTH
    password: str | None = field(default=None, repr=False)  # used under TLS only

    def __post_init__(self) -> None:
        """Refuse what could not be used."""
        check_mailbox(self.sender)
        check_host_name(self.hostname)
        for domain in self.domains:
            check_host_name(domain)
        if self.bounces is not None:
            check_mailbox(_named(self.bounces, AlertId("alt_" + "0" * 36)))
        if self.ssl_context is not None:
            verifying_context(self.ssl_context)

    def relay(self) -> Relay:
        """Return where the connections of this route go."""
        return Relay(
            host=self.host,
            port=self.port,
            security=self.security,
            ssl_context=verifying_context(self.ssl_context),
            hostname=self.hostname,
            username=self.username,
            password=self.password,
        )

    def return_path(self, alert: AlertId) -> str:
        """Return the mailbox a report about this alert is to go to; it names the alert at most.

        Raises:
            Undeliverable: not-a-message; the id is none that a mailbox can carry.

        Source: RFC 5233 section 4 (the detail after a plus sign). Pure.
        """
        if self.bounces is None:
            return self.sender
        try:
            return check_mailbox(_named(self.bounces, alert))
        except BadAddress:
            raise Undeliverable("not-a-message") from None


class MailRoutes:
    """The default route and those that claim domains."""

    def __init__(self, default: MailRoute, others: Sequence[MailRoute] = ()) -> None:
        """Build the table.

        Raises:
            ValueError: two routes of one name, a domain claimed twice, a named route that claims
                nothing, or a default route that claims something.
        """
        self._by_name = MappingProxyType({route.name: route for route in (default, *others)})
        if len(self._by_name) != len(others) + 1:
            raise ValueError("mail routes: a name is used twice")
        if default.domains or not all(route.domains for route in others):
            raise ValueError("mail routes: all but the default route claim domains")
        claims = [(domain.lower(), route) for route in others for domain in route.domains]
        self._by_domain: Mapping[str, MailRoute] = MappingProxyType(dict(claims))
        if len(self._by_domain) != len(claims):
            raise ValueError("mail routes: a domain is claimed twice")
        self._default = default

    def all(self) -> tuple[MailRoute, ...]:
        """Return every route, the default one first."""
        return tuple(self._by_name.values())

    def choose(self, mailbox: str, asked: str | None) -> MailRoute:
        """Return the route to this mailbox: that of the longest claimed domain it lies in.

        Args:
            mailbox: As `check_mailbox` returned it.
            asked: The route the directory names for the endpoint, if any.

        Raises:
            NoSuchRoute: no route has that name.
            Undeliverable: route-domain; the mailbox is not one of the route asked for.

        Pure.
        """
        route = self._claiming(mailbox.rpartition("@")[2].lower())
        if asked is not None and asked not in self._by_name:
            raise NoSuchRoute
        if asked is not None and asked != route.name:
            raise Undeliverable("route-domain")
        return route

    def _claiming(self, domain: str) -> MailRoute:
        while domain:
            if (route := self._by_domain.get(domain)) is not None:
                return route
            domain = domain.partition(".")[2]
        return self._default


def _named(mailbox: str, alert: AlertId) -> str:
    local, _, domain = mailbox.partition("@")
    return f"{local}+{alert}@{domain}"
