"""Connections to Redis: one pool, from which a connection serves one batch of commands at a time.

A connection goes back only once every reply to its batch was read. One whose batch was cancelled,
ran out of time or failed is closed and never used again: it may still be owed a reply, which the
next caller would take for theirs (CVE-2023-28858). So that this shows if it should ever fail, each
batch begins with an ECHO of a number of its own, and a reply to any other closes the connection.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from gateway.config.redis import RedisConfig

TLS_AT_LEAST: Final = ssl.TLSVersion.TLSv1_2
MAX_CONNECTIONS: Final = 8  # of one process

Word: TypeAlias = str | int
Command: TypeAlias = tuple[Word, ...]
Reply: TypeAlias = Any  # bytes, an int, None, a list of these, or a `Refusal`

_DEFAULT_PORT: Final = 6379
# Ids, numbers, key names and the words of commands; free text, addresses and blobs are none.
_SAYABLE: Final = re.compile(r"[A-Za-z0-9_:.,=>*$+(){}/@~-]{0,250}", re.ASCII)
# A server that says one of these takes nothing from anybody now, or is not the one to ask.
_NOT_NOW: Final = frozenset(
    {
        "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "MOVED", "NOAUTH", "READONLY",
        "WRONGPASS",
    }
)  # fmt: skip


class RedisAway(Exception):
    """Redis cannot be asked now; `code` says why. What the batch did is not known."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reply to a command that was refused. Of the server's text only the first word is kept:
    the rest may quote what it was given."""

    code: str  # as WRONGTYPE, NOGROUP, OOM, ERR


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisTerms:
    """Where Redis is, and as whom to ask it."""

    host: str = "localhost"
    port: int = _DEFAULT_PORT
    unix_socket: str | None = None  # in place of host and port
    database: int = 0
    tls: bool = False
    ca_file: str | None = None  # None: those the system trusts
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 2.0  # of a connection and of each batch

    @classmethod
    def of(
        cls, section: RedisConfig, *, path: Callable[[Path], Path], secret: Callable[[Path], str]
    ) -> "RedisTerms":
        """Return what a configuration says.

        Args:
            section: As read.
            path: Where a file named in the configuration is.
            secret: Reads a file that holds one secret.
        """
        parts = urlsplit(section.url)
        unix = parts.scheme == "unix"
        number = parts.path.strip("/")
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or _DEFAULT_PORT,
            unix_socket=parts.path if unix else None,
            database=int(number) if number.isdecimal() and not unix else 0,
            tls=parts.scheme == "rediss",
            ca_file=str(path(section.ca_file)) if section.ca_file else None,
            username=unquote(parts.username) if parts.username else None,
            password=secret(section.password_file) if section.password_file else None,
            timeout_s=section.timeout_s,
        )


class Connections:
    """The pool. Bounded; made as they are needed; closed at the first doubt."""

    def __init__(self, terms: RedisTerms) -> None:
        self._terms = terms
        self._idle: list[AbstractConnection] = []
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._tags = count(1)
        self._closed = False

    async def one(self, *words: Word) -> Reply:
        """Send one command; return its reply. Raises as `batch`."""
        return (await self.batch([words]))[0]

    async def batch(
        self, commands: Sequence[Command], *, atomic: bool = False, waits_s: float = 0.0
    ) -> list[Reply]:
        """Send commands in one write; return their replies in order.

        Args:
            commands: Of ids and numbers alone.
            atomic: In one MULTI; refused ones undo nothing.
            waits_s: How long the commands themselves may block.

        Raises:
            RedisAway: not connected, cut off, out of time, or the server serves nobody now.
            ValueError: a word is neither an id nor a number. Nothing was sent.
        """
        for command in commands:
            _check(command)
        return await self._sent(commands, atomic=atomic, waits_s=waits_s)

    async def load(self, script: str) -> str:
        """Give the server a script; return the name it is run by. Raises as `batch`."""
        (name,) = await self._sent([("SCRIPT", "LOAD", script)], atomic=False, waits_s=0.0)
        if isinstance(name, Refusal):
            raise RedisAway(name.code.lower())
        return str(name.decode())

    async def close(self) -> None:
        """Close what is idle; what is in use closes when it is done with."""
        self._closed = True
        await self._forget_idle()

    async def _sent(
        self, commands: Sequence[Command], *, atomic: bool, waits_s: float
    ) -> list[Reply]:
        try:
            async with asyncio.timeout(self._terms.timeout_s + waits_s), self._lent() as connection:
                return await _exchange(connection, commands, next(self._tags), atomic=atomic)
        except (RedisAway, RedisError, OSError, TimeoutError, EOFError) as error:
            # The others lead to the same server: better none than one more failure each.
            await self._forget_idle()
            raise RedisAway(_code_of(error)) from None

    @contextlib.asynccontextmanager
    async def _lent(self) -> AsyncIterator[AbstractConnection]:
        """Lend a connection; take it back only from a block that ran to its end."""
        async with self._places:
            connection = self._idle.pop() if self._idle else _new(self._terms)
            try:
                if not connection.is_connected:
                    await connection.connect()  # type: ignore[no-untyped-call]
                yield connection
            except BaseException:
                await _drop(connection)
                raise
            if self._closed:
                await _drop(connection)
            else:
                self._idle.append(connection)

    async def _forget_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await _drop(connection)


def _check(command: Command) -> None:
    for word in command:
        if not isinstance(word, int) and _SAYABLE.fullmatch(word) is None:
            raise ValueError("neither an id nor a number")  # never what it was


async def _exchange(
    connection: AbstractConnection, commands: Sequence[Command], tag: int, *, atomic: bool
) -> list[Reply]:
    framed = [("MULTI",), *commands, ("EXEC",)] if atomic else list(commands)
    await connection.send_packed_command(
        connection.pack_commands([("ECHO", tag), *framed]), check_health=False
    )
    if await _reply(connection) != str(tag).encode():
        raise RedisAway("another-reply")
    replies = [await _reply(connection) for _ in framed]
    if atomic:
        done = replies[-1]
        if not isinstance(done, list):
            raise RedisAway("not-atomic")
        replies = [_settled(one) for one in done]
    for reply in replies:
        if isinstance(reply, Refusal) and reply.code in _NOT_NOW:
            raise RedisAway(reply.code.lower())
    return replies


async def _reply(connection: AbstractConnection) -> Reply:
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return _settled(error)


def _settled(reply: Reply) -> Reply:
    return Refusal(_word_of(reply)) if isinstance(reply, RedisError) else reply


def _word_of(error: Exception) -> str:
    known = getattr(error, "status_code", None)
    first = str(known or str(error).partition(" ")[0])
    return first if first.isascii() and first.isalpha() and first.isupper() else "ERR"


def _code_of(error: Exception) -> str:
    if isinstance(error, RedisAway):
        return error.code
    if isinstance(error, TimeoutError):
        return "timeout"
    word = _word_of(error)
    return word.lower() if word in _NOT_NOW else "cut"


def _new(terms: RedisTerms) -> AbstractConnection:
    """Return a connection, not yet connected. It tries once, and waits as long as it is let."""
    common: dict[str, Any] = {
        "db": terms.database,
        "username": terms.username,
        "password": terms.password,
        "socket_timeout": None,
        "socket_connect_timeout": terms.timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    if terms.unix_socket is not None:
        return UnixDomainSocketConnection(path=terms.unix_socket, **common)
    common |= {"host": terms.host, "port": terms.port}
    if not terms.tls:
        return Connection(**common)
    return SSLConnection(ssl_min_version=TLS_AT_LEAST, ssl_ca_certs=terms.ca_file, **common)


async def _drop(connection: AbstractConnection) -> None:
    """Close a connection without waiting: its socket is shut before anything could interrupt."""
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        await connection.disconnect(nowait=True)
