"""A drop folder as a feed: whole files appear in it, and leave it when every message is durable.

A file is taken once it has not changed for a while. Its messages are cut and handed over in
order, a few at once. Then the file goes to `done/` (or is deleted), or to `refused/` beside a list
of what was refused and why. A message's id is its digest, so a file read twice, after a crash or
because it was dropped again, is the same messages again.

File names may name somebody: none is logged.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from adapters.contract import Split
from gateway.config.feeds import FolderFeedConfig
from gateway.feeds.contract import Answer, FeedTrouble, Fetched, HandOver
from gateway.feeds.drop import DropFolder, DroppedFile, Mark, NotAFolder, Passed
from gateway.feeds.seen import Seen

AT_ONCE: Final = 16  # messages handed over together; they share commits
RETRY_S: Final = 1.0  # between two tries of what cannot be taken now
MAX_LISTED: Final = 1000  # refused messages that a list of reasons names

_LOG = structlog.get_logger()


class FolderFeed:
    """One drop folder, one file at a time, the longest unchanged first."""

    def __init__(self, config: FolderFeedConfig, *, path: Path, split: Split) -> None:
        self._config = config
        self._folder = DropFolder(path)
        self._split = split
        self._passed = Seen()  # entries that are no files of the agency's, said once

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._config.name

    async def run(self, hand_over: HandOver) -> None:
        """Look, and take what is settled, until cancelled.

        Raises:
            FeedTrouble: not-a-folder, open-to-all, or folder-unusable for what the file system
                refuses.
        """
        marks: dict[Mark, float] = {}  # files seen -> when first seen like this
        loop = asyncio.get_running_loop()
        try:
            while True:
                found, passed = await asyncio.to_thread(self._folder.look)
                self._say_passed(passed)
                now = loop.time()
                marks = {mark: marks.get(mark, now) for mark in found}
                settled = [mark for mark in found if now - marks[mark] >= self._config.settle_s]
                taken = [await self._take(mark, hand_over) for mark in settled]
                if not any(taken):
                    await asyncio.sleep(self._config.every_s)
        except NotAFolder as error:
            raise FeedTrouble(error.code) from None
        except OSError:
            raise FeedTrouble("folder-unusable") from None

    async def close(self) -> None:
        """Do nothing: no file stays open between two looks."""

    def _say_passed(self, passed: Sequence[Passed]) -> None:
        for one in passed:
            if one not in self._passed:
                self._passed.add(one)
                _LOG.warning("file passed over", feed=self.name, code=one.code)

    async def _take(self, mark: Mark, hand_over: HandOver) -> bool:
        """Hand over what one file holds, and put the file where it belongs then; return whether
        it did: not if it went, changed or may not be read.
        """
        outcome = _Outcome()
        try:
            with self._folder.open(mark, self._split) as file:
                if file is None:
                    return False
                await self._read(file, outcome, hand_over)
                if not await asyncio.to_thread(self._settle, file, outcome):
                    return False
        except PermissionError:
            self._say_passed([Passed(inode=mark.inode, code="not-permitted")])
            return False
        if outcome.refused:
            _LOG.warning("file refused", feed=self.name, count=outcome.refused, size=mark.size)
        else:
            _LOG.info("file taken", feed=self.name, count=outcome.count, size=mark.size)
        return True

    async def _read(self, file: DroppedFile, outcome: "_Outcome", hand_over: HandOver) -> None:
        while messages := await asyncio.to_thread(file.next_messages, AT_ONCE):
            outcome.add(await self._hand_over(messages, hand_over))
        if file.fault is not None:
            outcome.add([Answer(verdict="refused", reasons=file.fault)])

    async def _hand_over(self, messages: Sequence[bytes], hand_over: HandOver) -> list[Answer]:
        """Return an answer to each message, none of them "later": waits as long as it takes."""
        answers: dict[int, Answer] = {}
        while True:
            left = [at for at in range(len(messages)) if at not in answers]
            given = await asyncio.gather(*(hand_over(_fetched(messages[at])) for at in left))
            answers |= {
                at: one for at, one in zip(left, given, strict=True) if one.verdict != "later"
            }
            if len(answers) == len(messages):
                return [answers[at] for at in range(len(messages))]
            await asyncio.sleep(RETRY_S)

    def _settle(self, file: DroppedFile, outcome: "_Outcome") -> bool:
        if outcome.refused:
            return self._folder.refuse(file, outcome.text())
        return self._folder.accept(file, keep=self._config.after == "keep")


class _Outcome:
    """What became of a file's messages so far."""

    def __init__(self) -> None:
        self.count = 0
        self.refused = 0
        self._lines: list[str] = []

    def add(self, answers: Sequence[Answer]) -> None:
        """Count answers in, in the file's order."""
        for answer in answers:
            if answer.verdict == "refused":
                self.refused += 1
                if self.refused <= MAX_LISTED:
                    reasons = answer.reasons or ("refused",)
                    self._lines += [f"{self.count}\t{reason}" for reason in reasons]
            self.count += 1

    def text(self) -> str:
        """Return the list of reasons: the index of a message from 0, a tab, and one reason."""
        lines = [f"# {self.refused} of {self.count} messages refused", *self._lines]
        if self.refused > MAX_LISTED:
            lines.append(f"# and {self.refused - MAX_LISTED} more")
        return "".join(f"{line}\n" for line in lines)


def _fetched(body: bytes) -> Fetched:
    return Fetched(message_id=hashlib.sha256(body).hexdigest(), body=body)
