"""A feed from an NHS MESH mailbox: what certain mailboxes sent to it, one message at a time.

    MeshFeed(name=..., mailbox=MeshMailbox(...), senders=frozenset({"X26ABC1"}), poll_s=60,
             max_bytes=MAX_BODY_BYTES, workflow_id=None)

Anyone with a mailbox may write to ours, so only what the named senders sent is handed over: a feed
speaks for one agency. A message is acknowledged, and so taken out of the mailbox, only once it is
durable. What is refused stays where its sender can see that it was not collected, and is looked
at again when the feed next starts. MESH keeps a message 30 days and reports one that nobody
acknowledged in five to its sender.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gateway.feeds.contract import FeedTrouble, Fetched, HandOver
from gateway.mesh_mailbox.client import MeshMailbox
from gateway.mesh_mailbox.messages import Incoming, check_mailbox_id
from gateway.mesh_mailbox.trouble import MeshGone, MeshTrouble, MeshUnreadable

VALIDATE_EVERY_S: Final = 6 * 3600  # MESH takes a mailbox for idle after 24 hours without

# A mailbox may also send what is not ours, whose local ids may be anything.
_ALERT_ID: Final = re.compile(r"alt_[A-Za-z0-9-]{1,60}")

_LOG = structlog.get_logger()


class MeshFeed:
    """Polls one mailbox on behalf of one agency."""

    def __init__(
        self,
        *,
        name: str,
        mailbox: MeshMailbox,
        senders: frozenset[str],
        poll_s: float,
        max_bytes: int,
        workflow_id: str | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Build the feed; nothing is fetched before `run`.

        Args:
            name: In the configuration and in log lines.
            mailbox: The feed closes it.
            senders: Mailbox ids whose messages are this agency's; never empty.
            poll_s: Between two looks into the mailbox; MESH asks for five minutes or more in
                routine use.
            max_bytes: The longest message taken; a longer one stays in the mailbox.
            workflow_id: Only messages of this workflow; none: of every workflow. A mailbox that
                alerts are sent from needs none, or MESH's reports about them are never read.
            sleep: Waits between two looks.

        Raises:
            ValueError: no sender, or one that is not a mailbox id.
        """
        if not senders:
            raise ValueError("a MESH feed names the mailboxes it takes messages from")
        self.name = name
        self._mailbox = mailbox
        self._senders = frozenset(check_mailbox_id(one) for one in senders)
        self._poll_s = poll_s
        self._max_bytes = max_bytes
        self._workflow_id = workflow_id
        self._sleep = sleep
        self._left: frozenset[str] = frozenset()  # stay in the mailbox; not fetched again
        self._last: frozenset[str] = frozenset()  # gave trouble: fetched after all others

    async def run(self, hand_over: HandOver) -> None:
        """Poll until cancelled. See `contract.Feed.run`."""
        looks = max(1, int(VALIDATE_EVERY_S / self._poll_s))
        try:
            while True:
                await self._mailbox.handshake()
                for _ in range(looks):
                    await self._look(hand_over)
                    await self._sleep(self._poll_s)
        except MeshTrouble as trouble:
            raise FeedTrouble(trouble.code) from None

    async def close(self) -> None:
        """Close the mailbox's connections."""
        await self._mailbox.close()

    async def _look(self, hand_over: HandOver) -> None:
        """Take what is in the mailbox, oldest first, until it is empty or told to wait.

        A message that MESH cannot hand over holds up no other: the next time, it comes last.
        """
        listed = await self._mailbox.list_inbox(workflow_id=self._workflow_id)
        self._left &= frozenset(listed)
        self._last &= frozenset(listed)
        for message_id in sorted(listed, key=self._last.__contains__):
            if message_id in self._left:
                continue
            try:
                message = await self._mailbox.fetch(message_id, max_bytes=self._max_bytes)
            except MeshGone:
                continue  # somebody else acknowledged it, or it expired, since it was listed
            except MeshUnreadable as trouble:
                self._leave(message_id, trouble.code)
                continue
            except MeshTrouble:
                self._last |= {message_id}
                raise
            if not await self._take(message, hand_over):
                return

    async def _take(self, message: Incoming, hand_over: HandOver) -> bool:
        """Return whether to go on with the next message."""
        if message.report is not None:
            _tell(self.name, message)
            await self._acknowledge(message)
            return True
        if message.sender not in self._senders:
            self._leave(message.message_id, "sender-unknown")
            return True
        answer = await hand_over(Fetched(message_id=message.message_id, body=message.body))
        if answer.verdict == "later":
            return False
        if answer.verdict == "accepted":
            await self._acknowledge(message)
        else:
            # The reasons are paths into the message: the runner logs them as it sees fit.
            self._leave(message.message_id, answer.reasons[0] if answer.reasons else "refused")
        return True

    async def _acknowledge(self, message: Incoming) -> None:
        with contextlib.suppress(MeshGone):  # out of the mailbox is all that was wanted
            await self._mailbox.acknowledge(message.message_id)

    def _leave(self, message_id: str, code: str) -> None:
        self._left |= {message_id}
        _LOG.warning("left in the MESH mailbox", feed=self.name, mesh_id=message_id, code=code)


def _tell(feed: str, report: Incoming) -> None:
    """Tell the operator what MESH reports of a message sent earlier: nobody collected it, or it
    could not be delivered. Its local id is that of the message, and so the alert's."""
    _LOG.error(
        "MESH could not deliver",
        feed=feed,
        alert=report.local_id if _ALERT_ID.fullmatch(report.local_id) else None,
        mesh_id=report.message_id,
        code=f"mesh-report-{report.report}",
    )
