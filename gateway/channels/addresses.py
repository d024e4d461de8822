"""The grammar of the addresses a recipient may be reached at: mailbox, https URL, phone number.

What two programs could read differently is refused here, before any library sees it: the part
that is checked and the part that is connected to must be the same. Messages never quote input.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import phonenumbers

from gateway.channels.outbound import OutboundPolicy, may_connect

MAX_MAILBOX_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
MAX_LOCAL_PART_LENGTH = 64
MAX_URL_LENGTH = 2000
MAX_HOST_LENGTH = 253

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?")
_URL = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>(?:[/?](?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)"
)
_PHONE = re.compile(r"\+?[0-9(][0-9 ()-]{5,23}[0-9]")

# Names that mean something only inside a network (RFC 6761, RFC 8375, and common practice).
_PRIVATE_SUFFIXES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "arpa",
    "invalid",
    "onion",
    "alt",
)
_DEFAULT_PORTS = {"https": 443, "http": 80}


class BadAddress(ValueError):
    """Text that is not an address we deliver to; `code` says which rule it broke."""

    def __init__(self, code: str) -> None:
        self.code = (
            code  # mailbox-form, host-form, url-form, url-scheme, url-host, url-port, phone-form
        )
        super().__init__(code)


def check_mailbox(text: str) -> str:
    """Return the mailbox unchanged if it is a plain ASCII dot-atom address.

    At most 254 characters, local part at most 64, a host name of two labels or more; no display
    name, comment, quoted string, source route, address literal or non-ASCII character.

    Raises:
        BadAddress: mailbox-form.

    Source: RFC 5321 section 4.1.2, the Dot-string branch only. Pure.
    """
    local, at, domain = text.partition("@")
    if (
        not at
        or len(text) > MAX_MAILBOX_LENGTH
        or len(local) > MAX_LOCAL_PART_LENGTH
        or not _LOCAL_PART.fullmatch(local)
        or "." not in domain
        or not _is_host_name(domain)
    ):
        raise BadAddress("mailbox-form")
    return text


def check_host_name(text: str) -> str:
    """Return the DNS name unchanged: ASCII labels, at most 253 characters, the last no number.

    Raises:
        BadAddress: host-form.

    Source: RFC 1123 section 2.1. Pure.
    """
    if not _is_host_name(text):
        raise BadAddress("host-form")
    return text


def check_phone(text: str) -> str:
    """Return the number in E.164 form, ``+`` and 8 to 15 digits; national numbers are read as UK.

    A possible number is enough: the numbers Ofcom keeps for drama (07700 900xxx) pass.

    Raises:
        BadAddress: phone-form.

    Source: ITU-T E.164. Pure.
    """
    if not _PHONE.fullmatch(text):
        raise BadAddress("phone-form")
    try:
        number = phonenumbers.parse(text, "GB")
    except phonenumbers.NumberParseException:
        raise BadAddress("phone-form") from None
    possible = phonenumbers.is_possible_number_with_reason(number)
    if number.extension or possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise BadAddress("phone-form")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def check_https_url(text: str, *, policy: OutboundPolicy) -> str:
    """Return the URL with scheme and host in lower case, if a webhook may be posted there.

    Refused: anything but an absolute ASCII https URL of at most 2,000 characters; user
    information, fragments, backslashes; numeric hosts that are not plain addresses; address
    literals and ports the policy does not allow; names that exist only inside a network, unless
    the policy names networks (then the address decides, when it is connected to). Plain http
    passes only to a loopback literal the policy names and only with ``allow_plain_http``.

    Raises:
        BadAddress: url-form, url-scheme, url-host or url-port.

    Source: RFC 3986 section 3.2.2, WHATWG URL host parsing for the look-alikes. Pure.
    """
    match = _URL.fullmatch(text) if len(text) <= MAX_URL_LENGTH else None
    if match is None:
        raise BadAddress("url-form")
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 1 << 16:
        raise BadAddress("url-port")
    literal = _address_literal(host)
    if scheme == "http" and not _plain_http_allowed(literal, policy):
        raise BadAddress("url-scheme")
    if literal is not None:
        _check_literal(literal, port, policy)
    else:
        _check_name(host, port, policy)
    return f"{scheme}://{host}" + (f":{match['port']}" if match["port"] else "") + match["rest"]


def _address_literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        if host.startswith("["):
            return IPv6Address(host[1:-1])
        return IPv4Address(host)
    except AddressValueError:
        return None


def _plain_http_allowed(literal: IPv4Address | IPv6Address | None, policy: OutboundPolicy) -> bool:
    return (
        policy.allow_plain_http
        and literal is not None
        and literal.is_loopback
        and policy.names(literal)
    )


def _check_literal(literal: IPv4Address | IPv6Address, port: int, policy: OutboundPolicy) -> None:
    if not may_connect(literal, port, policy):
        raise BadAddress("url-host")


def _check_name(host: str, port: int, policy: OutboundPolicy) -> None:
    if not _is_host_name(host):
        raise BadAddress("url-host")
    if policy.allowed_networks:
        return  # where the name leads decides, at connect
    if "." not in host or host.rpartition(".")[2] in _PRIVATE_SUFFIXES:
        raise BadAddress("url-host")
    if port not in policy.allowed_ports:
        raise BadAddress("url-port")


def _is_host_name(text: str) -> bool:
    """Whether this is a DNS name whose last label starts with a letter, so never a number."""
    return len(text) <= MAX_HOST_LENGTH and _HOST_NAME.fullmatch(text) is not None
