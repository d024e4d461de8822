"""Email: a sealed S/MIME message, or a content-free notice, handed to a relay under TLS.

There is no mode without TLS. A message whose acceptance is in doubt counts as maybe delivered:
it goes again under the same Message-ID, for a duplicate is better than silence.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence

from aiosmtplib import SMTPConnectError, SMTPException, SMTPResponseException

from gateway.channels.addresses import BadAddress, check_mailbox
from gateway.channels.contract import Undeliverable
from gateway.channels.mail_message import mail_message
from gateway.channels.mail_routes import MailRoute, MailRoutes, NoSuchRoute
from gateway.channels.smtp_pool import Answer, Envelope, Progress, RelayUnfit, SmtpPool
from gateway.model.disclosure import Parcel
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected


class EmailChannel:
    """Sends parcels as mail, one recipient per message, over a few kept connections per route."""

    def __init__(
        self,
        *,
        default: MailRoute,
        routes: Sequence[MailRoute] = (),
        clock: Callable[[], float],
        timeout_s: float = 60,
        pool_size: int = 4,
    ) -> None:
        """Build the channel; connections are made when first needed.

        Args:
            default: The relay of every mailbox that no other route claims.
            routes: Those with a transport rule of their own.
            clock: Unix seconds, for the Date header.
            timeout_s: Deadline of one whole attempt, waiting for a connection included.
            pool_size: Connections at most to each relay, and so attempts at a time.

        Raises:
            ValueError: the routes contradict each other.
        """
        self._routes = MailRoutes(default, routes)
        self._clock = clock
        self._timeout_s = timeout_s
        # No route waits for a connection of another: a dead relay is its own recipients' trouble.
        self._pools = {
            route.name: SmtpPool(route.relay(), size=pool_size) for route in self._routes.all()
        }

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Send the parcel once. See `contract.Channel.deliver`."""
        progress = Progress()
        try:
            recipient = check_mailbox(parcel.address)
            route = self._routes.choose(recipient, parcel.route)
            message = mail_message(
                parcel,
                sender=route.sender,
                recipient=recipient,
                hostname=route.hostname,
                sent_at=self._clock(),
            )
            envelope = Envelope(
                sender=route.return_path(parcel.alert), recipient=recipient, id=parcel.alert
            )
            async with asyncio.timeout(self._timeout_s):
                answer = await _transact(self._pools[route.name], envelope, message, progress)
        except BadAddress:
            return Rejected(reason="address-refused")
        except Undeliverable as refusal:
            return Rejected(reason=refusal.code)
        except NoSuchRoute:
            return Deferred(reason="no-route")  # the operator's to mend, not the recipient's
        except Exception as error:  # noqa: BLE001  # the contract: an attempt never raises
            return Deferred(reason=_failure(error), outcome_unknown=progress.content_left)
        return _judge(answer)

    async def close(self) -> None:
        """Quit the idle connections; later attempts end as lost connections."""
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))


async def _transact(
    pool: SmtpPool, envelope: Envelope, message: bytes, progress: Progress
) -> Answer:
    async with pool.lease() as connection:
        try:
            return await connection.transact(envelope, message, progress=progress)
        except (SMTPException, OSError):
            # A kept connection may have been closed by the relay meanwhile. That says nothing
            # of this attempt, and as long as no content has left a new one is safe.
            if not connection.used or progress.content_left:
                raise
    async with pool.lease(fresh=True) as connection:
        return await connection.transact(envelope, message, progress=progress)


def _judge(answer: Answer) -> Outcome:
    """Judge by the reply code and what it answered.

    5xx is final for the recipient and the message only. To a greeting, a login or our own sender
    address it speaks of the relay or of us, and the recipient must not lose an endpoint for that.
    """
    code = answer.code
    if answer.verb == "content" and 200 <= code < 300:
        return Accepted(detail=f"smtp-{code}")
    if 500 <= code < 600 and answer.verb != "MAIL":
        return Rejected(reason=f"smtp-{code}")
    if 400 <= code < 600:
        return Deferred(reason=f"smtp-{code}")
    return Deferred(reason="smtp-malformed", outcome_unknown=answer.verb == "content")


def _failure(error: Exception) -> str:
    """Name what went wrong; the error's own words may hold an address or a server's text."""
    if isinstance(error, RelayUnfit):
        return error.code
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return "tls"
    if isinstance(error, SMTPResponseException):
        return f"smtp-{error.code}" if 400 <= error.code < 600 else "smtp-malformed"
    if isinstance(error, SMTPConnectError):
        return "connect"
    if isinstance(error, SMTPException | OSError):
        return "connection-lost"
    return f"fault-{type(error).__name__}"
