"""The bounce mailbox, a Maildir: what is new is read, told to a sink, and moved out of `new/`.

At least once: a message leaves `new/` only after the sink has returned, so a crash between the
two tells it again. File names and contents may name somebody: none is logged.
"""

import asyncio
import os
import stat
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from gateway.bounces.report import MAX_MESSAGE_BYTES, Aside, read_report
from gateway.feeds.drop import DropFolder, NotAFolder
from gateway.model.outcome import Receipt

MOST_AT_ONCE: Final = 500  # messages in one look; the others wait for the next

Sink = Callable[[Receipt], Awaitable[bool]]  # whether the alert is one that left by email

_LOG = structlog.get_logger()


class BounceReader:
    """One Maildir of delivery reports."""

    def __init__(
        self,
        folder: Path,
        sink: Sink,
        *,
        poll_s: float = 5,
        keep: bool = True,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Build a reader of a Maildir that a mail system delivers into.

        Args:
            folder: The Maildir; its `new/` and `cur/` exist, closed to everyone else.
            sink: Told each receipt, perhaps again; False for an alert that is none of ours.
            poll_s: Seconds between two looks.
            keep: Whether what was read stays in `cur/`, or is deleted.
            count: Told what became of each message: delivered, failed, delayed, unknown-alert or
                a code of `report.AsideCode`, not-a-file or foreign-owner. A closed set.
        """
        self._new = folder / "new"
        self._cur = folder / "cur"
        self._sink = sink
        self._poll_s = poll_s
        self._keep = keep
        self._count = count
        self._trouble = ""
        self._locked = False  # the last look found a message that may not be read

    async def run(self) -> None:
        """Look for ever. Never raises, but for cancellation: a folder that cannot be used now is
        looked at again.
        """
        while True:
            try:
                taken = await self.look()
            except NotAFolder as error:
                self._say(error.code)
            except OSError:
                self._say("folder-unusable")
            else:
                self._say("not-permitted" if self._locked else "")
                if taken:
                    continue
            await asyncio.sleep(self._poll_s)

    async def look(self) -> int:
        """Read what is new, oldest first; return how many messages were dealt with.

        Raises:
            NotAFolder: not-a-folder or open-to-all.
            OSError: the folder refuses.
        """
        owner, names = await asyncio.to_thread(self._listed)
        aside: Counter[str] = Counter()
        taken = 0
        self._locked = False
        for name in names:
            found = await asyncio.to_thread(self._read, name, owner)
            self._locked |= found == "not-permitted"
            if found is None or found == "not-permitted":
                continue
            code = await self._told(found) if isinstance(found, Receipt) else found
            if code is None:
                continue  # not stored now: it stays new
            if not isinstance(found, Receipt) or code == "unknown-alert":
                aside[code] += 1
            self._count(code)
            await asyncio.to_thread(self._put_away, name)
            taken += 1
        for code, number in sorted(aside.items()):
            _LOG.warning("mail left aside", channel="email", code=code, count=number)
        return taken

    async def _told(self, receipt: Receipt) -> str | None:
        """Tell the sink; return what to count, or None where it could not take it now."""
        try:
            known = await self._sink(receipt)
        except Exception as error:  # noqa: BLE001 - one report must not stop the others
            _LOG.error("receipt not stored", alert=receipt.alert, error=type(error).__name__)
            return None
        if not known:
            return "unknown-alert"
        _LOG.info("receipt", channel="email", alert=receipt.alert, code=receipt.code)
        return receipt.state

    def _listed(self) -> tuple[int, list[str]]:
        """Return who owns the folder, and the names of what lies in it, oldest first."""
        DropFolder(self._cur).check()
        owner = DropFolder(self._new).check().st_uid
        found: list[tuple[int, str]] = []
        with os.scandir(self._new) as entries:
            for entry in entries:
                try:
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
                except FileNotFoundError:
                    continue
        return owner, [name for _, name in sorted(found)[:MOST_AT_ONCE]]

    def _read(self, name: str, owner: int) -> Receipt | str | None:
        """Return what a message says, a code where it says nothing, None where it has gone."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            seen = (self._new / name).lstat()
            if not stat.S_ISREG(seen.st_mode):
                return "not-a-file"
            if seen.st_uid not in {owner, os.geteuid()}:
                return "foreign-owner"
            with open(os.open(self._new / name, flags), "rb") as opened:  # noqa: PTH123
                report = read_report(opened.read(MAX_MESSAGE_BYTES + 1))
        except FileNotFoundError:
            return None
        except PermissionError:
            return "not-permitted"  # the mail system's settings are wrong: it waits for better ones
        return report.code if isinstance(report, Aside) else report

    def _put_away(self, name: str) -> None:
        if self._keep or not stat.S_ISREG((self._new / name).lstat().st_mode):
            (self._new / name).rename(self._cur / f"{name.partition(':')[0]}:2,S")
        else:
            (self._new / name).unlink()

    def _say(self, trouble: str) -> None:
        """Log a trouble when it begins."""
        if trouble and trouble != self._trouble:
            _LOG.error("bounce mailbox unusable", channel="email", code=trouble)
        self._trouble = trouble
