"""A provider of the gateway's own keys that is away: nothing is lost, nothing leaves (F26, P13)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.disclosure_log.checkpoint import LogKey
from gateway.store import sqlite
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from keys.at_rest import KeyEncryptionKey
from keys.problem import KeyProblem
from keys.providers.aws_kms import KmsKey
from keys.providers.pkcs11 import TokenSigner
from tests.store.stores import (
    KEK,
    LOG_KEY,
    accepted,
    body,
    column,
    entries,
    logging,
    one_release,
    undecided,
)
from tests.support.tokens import KmsServer, aws_credentials, signing_pair, soft_hsm

T = TypeVar("T")


async def opened_with(
    path: Path,
    kek: KeyEncryptionKey = KEK,
    log_key: LogKey = LOG_KEY,
    fatal: list[str] | None = None,
) -> Store:

    if not path.exists():
        sqlite.create(path)
    return await Store.open(
        path,
        key_encryption_key=kek,
        log_key=log_key,
        on_fatal=(fatal if fatal is not None else []).append,
    )


async def eventually(work: Callable[[], Awaitable[T]], *, within_s: float = 15) -> T:
    """Return what works in the end, tried again while keys are away."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return await work()
        except (StoreUnavailable, KeyProblem):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


async def test_while_kms_is_away_nothing_is_set_aside_and_what_is_new_is_told_to_come_back(
    tmp_path: Path,
) -> None:
    aws_credentials()
    server = KmsServer()
    kek = KmsKey(server.client(timeout_s=1), server.new_key())
    path = tmp_path / "throughgate.db"
    store = await opened_with(path, kek)
    known = await accepted(store, one_release(1))
    await store.close()
    store = await opened_with(path, kek)  # has unwrapped nobody's key yet
    server.stop()
    assert store.undecided(limit=10) == ([], []), "it cannot be read now; that is not its fault"
    with pytest.raises(StoreUnavailable) as caught:
        await accepted(store, one_release(2))
    assert caught.value.code == "keys"
    began = time.monotonic()
    for _ in range(20):
        assert store.undecided(limit=10) == ([], [])
    assert time.monotonic() - began < 5, "whoever is away is not asked over and over"
    await store.commit(logging(body()))  # what needs no such key goes on
    server = KmsServer(server.port)
    new = await eventually(lambda: accepted(store, one_release(2)))
    assert {one.ref for one in undecided(store)} == {known.ref, new.ref}
    assert column(path, "SELECT DISTINCT state FROM event") == ["accepted"]
    await store.close()
    server.stop()
    with pytest.raises(KeyProblem):
        await opened_with(path, KmsKey(server.client(timeout_s=1), kek.id.removeprefix("aws-kms:")))


async def test_while_the_log_key_is_away_nothing_is_committed_and_the_store_is_not_given_up(
    tmp_path: Path,
) -> None:
    hsm = soft_hsm()
    hsm.add("logs")
    token = hsm.token("logs")
    signing_pair(token, "log", edwards=True)
    log_key = LogKey.of("log.example.org/hsm", TokenSigner(token, "log"))
    path, fatal = tmp_path / "throughgate.db", list[str]()
    store = await opened_with(path, log_key=log_key, fatal=fatal)
    await accepted(store, one_release(1))
    before = entries(path)
    with hsm.away():
        for _ in range(3):
            with pytest.raises(StoreUnavailable) as caught:
                await accepted(store, one_release(2))
            assert caught.value.code == "keys"
        assert entries(path) == before
        assert column(path, "SELECT count(*) FROM event") == [1]
    await eventually(lambda: accepted(store, one_release(2)))
    await store.close()
    assert fatal == []
    assert len(entries(path)) > len(before)
    store = await opened_with(path, log_key=log_key)  # every checkpoint adds up
    await store.close()
