"""What alerts leave over: asked only with --network, and then no further than a greeting."""

import smtplib
import ssl
from collections.abc import Iterator
from typing import Final

from gateway.channels.addresses import BadAddress
from gateway.channels.mail_routes import MailRoute
from gateway.config import BadConfig
from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown
from gateway.transport import mail_routes
from keys.problem import KeyProblem

_TIMEOUT_S: Final = 10.0
_MEND: Final = "docs/runbook.md, Dead letters, says what each reason means."


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield whether each relay greets, and speaks TLS under its own name."""
    email = asked.config.email
    if email is None:
        return
    if not asked.network:
        yield ok("outbound.email", "The relays were not asked; --network asks them.")
        return
    try:
        routes = mail_routes(asked.config, email)
    except (BadConfig, BadAddress, KeyProblem, ValueError):
        yield error("outbound.email", "The [email] section contradicts itself.",
                    "docs/email.md, Routes.")  # fmt: skip
        return
    for route in routes:
        yield _greets(route)


def _greets(route: MailRoute) -> Finding:
    check = f"outbound.email-{route.name}"
    context = route.ssl_context or ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if route.security == "tls":
            relay: smtplib.SMTP = smtplib.SMTP_SSL(
                route.host, route.port, route.hostname, timeout=_TIMEOUT_S, context=context
            )
        else:
            relay = smtplib.SMTP(route.host, route.port, route.hostname, timeout=_TIMEOUT_S)
        with relay:
            if route.security == "starttls":
                relay.starttls(context=context)
            relay.ehlo_or_helo_if_needed()
    except ssl.SSLError:
        return error(check, f"The relay of route {route.name} has no certificate to trust.", _MEND)
    except smtplib.SMTPNotSupportedError:
        return error(check, f"The relay of route {route.name} offers no STARTTLS.", _MEND)
    except (smtplib.SMTPException, OSError):
        return unknown(check, f"The relay of route {route.name} does not answer.", _MEND)
    return ok(check, f"The relay of route {route.name} answers over TLS.")
