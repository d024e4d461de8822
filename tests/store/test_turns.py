"""Several writers of one file: whoever waits is next, however soon the last one comes back."""

import threading
from pathlib import Path

import apsw
import pytest

from gateway.store import sqlite
from gateway.store.turns import Turn, turns


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "throughgate.db"
    sqlite.create(path)
    return path


def writer_of(database: Path) -> tuple[apsw.Connection, Turn]:
    writer = sqlite.open_writer(database)
    return writer, turns(database, writer, workers=2)


def test_who_waits_writes_before_who_comes_back(database: Path) -> None:
    first, first_turn = writer_of(database)
    second, second_turn = writer_of(database)
    order: list[str] = []
    waits = threading.Event()

    def wait_and_write() -> None:
        with second_turn():
            waits.set()
            second.execute("BEGIN IMMEDIATE")
        order.append("who waited")
        second.execute("COMMIT")

    with first_turn():
        first.execute("BEGIN IMMEDIATE")
    thread = threading.Thread(target=wait_and_write)
    thread.start()
    assert waits.wait(10)
    first.execute("COMMIT")
    with first_turn():  # at once: only the turn keeps it from being first again
        first.execute("BEGIN IMMEDIATE")
    order.append("who came back")
    first.execute("COMMIT")
    thread.join()
    assert order == ["who waited", "who came back"]
    first.close()
    second.close()


def test_a_turn_that_is_never_used_keeps_nobody_out_for_good(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.turns.WAIT_S", 0.05)
    held = turns(database, sqlite.open_writer(database), workers=2)
    writer, turn = writer_of(database)
    with held(), turn():
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("COMMIT")
    with turn():
        writer.execute("BEGIN IMMEDIATE")
    writer.execute("COMMIT")
    writer.close()


def test_a_writer_alone_waits_for_nobody_and_leaves_no_file(database: Path) -> None:
    writer = sqlite.open_writer(database)
    turn = turns(database, writer, workers=1)
    with turn():
        writer.execute("BEGIN IMMEDIATE")
    writer.execute("COMMIT")
    writer.close()
    assert not database.with_suffix(".turn").exists()
