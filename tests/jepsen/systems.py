"""What is under test, as the run sees it: processes that start, are harmed, and are made whole."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from gateway import clock
from gateway.config import Config
from gateway.demo.cast import Poster
from gateway.instance import VKEY_NAME, create
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.keyring import confirmed
from gateway.model.party import Endpoint, Recipient
from gateway.registration import register_agency, register_recipients
from gateway.store.place import place_of
from keys import hpke
from keys.seal import recipient_key
from keys.signing import generate_shared_secret
from tests.jepsen.plan import Reader
from tests.jepsen.processes import free_port

NAME = "throughgate.example/jepsen"
AREA = "exampleshire"

Harm = Callable[[Random], Awaitable[None]]  # does it, and undoes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of harm."""

    harm: Harm
    disrupts: bool  # what was on the wire may not have been recorded, and leave again
    weight: int = 1


class System(Protocol):
    """One form of the gateway, running."""

    @property
    def config(self) -> Config:
        """Of the instance."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where its API answers."""

    def faults(self) -> Mapping[str, Fault]:
        """Return what may be done to it, by name."""

    async def start(self) -> None:
        """Start everything and wait until it is ready."""

    async def heal(self) -> None:
        """Start again whatever does not run."""

    async def unready(self) -> list[str]:
        """Return what says of itself that it cannot work, and why."""

    async def stop(self) -> int:
        """Stop everything in order; return the worst exit code."""

    def end(self) -> None:
        """Kill whatever is left."""


@dataclass(frozen=True, slots=True)
class Left:
    """What the store says is still to do."""

    undecided: int
    owed: tuple[tuple[str, str], ...]  # alert, endpoint
    quarantined: tuple[str, ...]  # events

    @property
    def drained(self) -> bool:
        """Whether nothing is."""
        return not (self.undecided or self.owed)


def left(config: Config) -> Left:
    """Ask the store what is still to do. Reads only."""
    with closing(place_of(config).open_reader()) as reader, reader:
        undecided = reader.execute("SELECT count(*) FROM event WHERE state = 'accepted'").get
        owed = reader.execute(
            "SELECT alert, endpoint FROM outbox WHERE state IN ('pending', 'waiting')"
        ).fetchall()
        apart = reader.execute("SELECT ref FROM event WHERE state = 'quarantined'").fetchall()
    return Left(
        int(undecided), tuple((one, to) for one, to in owed), tuple(ref for (ref,) in apart)
    )


async def made(folder: Path, poster: Poster, sections: str, readers: tuple[Reader, ...]) -> Config:
    """Make an instance with one agency that posts and recipients that are told everything."""
    config = await create(folder, name=NAME, sections=sections)
    await register_agency(config, poster.agency)
    await register_recipients(config, [_recipient(one) for one in readers])
    return config


def new_readers(count: int) -> tuple[Reader, ...]:
    """Return recipients with fresh keys."""
    return tuple(
        Reader(id=f"police-{number}", port=free_port(), private=hpke.generate()[0])
        for number in range(1, count + 1)
    )


def vkey(config: Config) -> str:
    """Return the public key of the log."""
    return (config.home / VKEY_NAME).read_text("utf-8").strip()


def _recipient(reader: Reader) -> Recipient:
    key = recipient_key("hpke", hpke.public_of(reader.private))
    webhook = Endpoint(
        id=EndpointId(f"{reader.id}/webhook"),
        channel="webhook",
        address=f"http://127.0.0.1:{reader.port}/hook",
        keys=(confirmed(key, at=clock.now(), by="jepsen"),),
        signing_secret=generate_shared_secret(),
    )
    return Recipient(
        id=RecipientId(reader.id),
        organisation="Exampleshire Police",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset({AREA}),
        endpoints=(webhook,),
        agreement_ref="ISA-EXAMPLESHIRE v1",
    )


SECTIONS = """
[http]
port = {port}

[webhook]
allow_plain_http = true
allowed_networks = ["127.0.0.1/32"]

[delivery]
ladder_s = [0.2, 0.5]
breaker_first_s = 0.3
breaker_longest_s = 1.0
"""
