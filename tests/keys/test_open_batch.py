"""A webhook body of several alerts: each opens by itself, and none keeps another shut."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.problem import CannotOpen
from keys.seal import is_batch, open_batch
from tests.cli.test_verify_sealing import kit
from tests.keys.material import pair
from tests.keys.test_seal import PLAINTEXT, webhook_body

FORMS = ["hpke", "jwe-x25519"]


def batch(*members: bytes) -> bytes:
    return b"[" + b",".join(members) + b"]"


def named(body: bytes, id_: object) -> bytes:
    return json.dumps(json.loads(body) | {"id": id_}).encode()


@pytest.mark.parametrize("form", FORMS)
def test_each_alert_opens(form: str) -> None:
    body = batch(*(named(webhook_body(form), f"alt_{n}") for n in range(3)))
    assert is_batch(b"\n " + body)
    assert list(open_batch(body, pair(form)[1])) == [(f"alt_{n}", PLAINTEXT) for n in range(3)]


def test_one_that_does_not_open_keeps_no_other_shut() -> None:
    good = named(webhook_body("hpke"), "alt_1")
    body = batch(b"7", b'{"id":"alt_0","data":{"collect":{}}}', named(good, "x\ny"), good)
    opened = dict(open_batch(body, pair("hpke")[1]))
    assert list(opened) == ["number 1", "alt_0", "number 3", "alt_1"]
    assert [isinstance(one, CannotOpen) for one in opened.values()] == [True, True, False, False]
    assert opened["alt_1"] == PLAINTEXT


@pytest.mark.parametrize("body", [b"[]", b"[", b"[1,]", b'[{"a":1,"a":2}]', b"[" * 100])
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(CannotOpen):
        list(open_batch(body, pair("hpke")[1]))


@given(st.binary(max_size=60))
def test_nothing_else_is_ever_raised(rest: bytes) -> None:
    try:
        found = [opened for _name, opened in open_batch(b"[" + rest, pair("hpke")[1])]
    except CannotOpen:
        return
    assert all(isinstance(one, CannotOpen) for one in found)


def test_the_kit_opens_each_on_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.key").write_bytes(pair("hpke")[1])
    good = named(webhook_body("hpke"), "alt_1")
    (tmp_path / "whole.json").write_bytes(batch(good, good))
    (tmp_path / "partly.json").write_bytes(batch(good, b'{"id":"alt_0"}'))
    (tmp_path / "other.key").write_bytes(pair("jwe-p256")[1])
    key = ("--key", tmp_path / "mine.key")
    done = kit("open", tmp_path / "whole.json", *key)
    assert (done.returncode, done.stdout) == (0, (PLAINTEXT + b"\n") * 2), done.stderr
    done = kit("open", tmp_path / "partly.json", *key)
    assert (done.returncode, done.stdout) == (1, PLAINTEXT + b"\n")
    assert done.stderr.startswith(b"refused: alt_0: ")
    for more in (("--form", "-"), ("--key", tmp_path / "other.key")):
        done = kit("open", tmp_path / "whole.json", *key, *more)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(b"refused: ")
