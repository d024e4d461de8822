"""What takes part: a program that is posted events, sends webhooks, and what it does for them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import orjson

from bench.driver import Answer, Post
from bench.peers.tally import Came
from bench.posts import make_posts
from bench.wire import post, take_message
from keys.signing import SigningKey

# A synthetic key of nobody's: peers check no signature, so any makes the same body.
_KEY: Final = SigningKey.generate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Does:
    """What a side does for each event, for the reader of the table."""

    signed: str = "no"  # checks who posted
    durable: str = "no"  # what is answered is on disk
    sealed: str = "no"  # only the recipient can read it
    logged: str = "no"  # a record of who was told what
    proofs: str = "no"  # of that record, to third parties
    ack: str = "no"  # what the recipient confirms


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One round: what was answered, and what came."""

    answers: Sequence[Answer]
    came: Came
    cpu_s: float


class Serving(Protocol):
    """A side under way."""

    @property
    def port(self) -> int: ...
    @property
    def pids(self) -> Sequence[int]:
        """Its processes; their descendants count too."""
        ...

    @property
    def mark(self) -> str | None:
        """Pattern of an event's mark in its webhooks; None: the ``webhook-id``."""
        ...

    def posts(self, first: int, count: int) -> Sequence[Post]:
        """Return requests that hold so many events."""
        ...

    def marks(self, rounds: Sequence[Played]) -> Mapping[str, Sequence[str]]:
        """Return the marks each post's events came under, having checked what can be checked.

        Called when it has stopped.

        Raises:
            NotMeasured: something did not add up.
        """
        ...


class Side(Protocol):
    """A program, and how to run it."""

    @property
    def name(self) -> str: ...
    @property
    def what(self) -> str:
        """Its version and configuration, in one line."""
        ...

    @property
    def does(self) -> Does: ...
    @property
    def batch(self) -> int:
        """Events in a post."""
        ...

    def running(self, url: str, folder: Path) -> AbstractContextManager[Serving]:
        """Run it until the block ends.

        Args:
            url: Where its webhooks go.
            folder: Its own, empty.

        Raises:
            NotMeasured: it is not here, or did not start.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer under way: one event a request, which comes under its own id."""

    port: int
    pids: Sequence[int]
    path: str = "/"
    mark: str | None = None

    def posts(self, first: int, count: int) -> Sequence[Post]:
        """Return the same events that the gateway is posted, unsigned."""
        return [
            Post(id=id_, wire=post(self.path, {"webhook-id": id_, **JSON}, body))
            for id_, body in events(first, count)
        ]

    def marks(self, rounds: Sequence[Played]) -> Mapping[str, Sequence[str]]:
        """Return each event under its own id."""
        return {answer.id: (answer.id,) for one in rounds for answer in one.answers}


JSON: Final = {"content-type": "application/json"}


def events(first: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield ids and bodies of canonical events."""
    for one in make_posts(first, count, _KEY):
        message = take_message(bytearray(one.wire))
        if message is not None:
            yield one.id, message[1]


def facts(body: bytes) -> str:
    """Return what an event says of its person, as JSON."""
    return orjson.dumps(orjson.loads(body)["data"]).decode()
