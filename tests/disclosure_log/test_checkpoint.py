"""Signed notes and checkpoints: the specification's examples, and every way to spoil one."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure_log.checkpoint import (
    BadCheckpoint,
    BadKey,
    LogKey,
    VerifierKey,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from gateway.disclosure_log.note import MAX_NOTE_BYTES, open_note, parse_note
from tests.disclosure_log.logs import KEY, ORIGIN, OTHER_KEY
from tests.third_party import vectors

ROOT = bytes(range(32))
NOTE = sign_checkpoint(KEY, size=7, root=ROOT)
WITNESS = LogKey.generate("witness.example/w1")


def blocks(specification: str) -> list[str]:
    """The fenced examples of a specification, as note texts."""
    text = (vectors("c2sp-spec") / specification).read_text("utf-8")
    return [part.removeprefix("\n") for part in text.split("```")[1::2]]


def signature_line(key: LogKey, text: str) -> str:
    return key.sign(text).rpartition("\n\n")[2]


def resigned(text: str) -> str:
    return KEY.sign(text)


def code_of(note: str, *keys: LogKey) -> str:
    with pytest.raises(BadCheckpoint) as caught:
        verify_checkpoint(note, [key.verifier_key for key in keys or (KEY,)])
    assert str(caught.value) == caught.value.code
    return caught.value.code


def test_the_example_of_the_note_specification_verifies() -> None:
    note = next(block for block in blocks("signed-note.md") if "example message" in block)
    key = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    text, signers = open_note(note, [key])
    assert text == "This is an example message.\n"
    assert signers == (key,)
    with pytest.raises(BadCheckpoint, match="bad-signature"):
        open_note(note.replace("This is", "That is"), [key])


def test_the_example_of_the_checkpoint_specification_is_read() -> None:
    checkpoint = parse_checkpoint(blocks("tlog-checkpoint.md")[0])
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert base64.b64encode(checkpoint.root) == b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def test_a_note_may_hold_blank_lines_and_any_letters() -> None:
    note = next(block for block in blocks("signed-note.md") if "quasimodo" in block)
    parsed = parse_note(note)
    assert parsed.text.endswith("\n\ned è subito sera.\n")
    assert parsed.signatures[0][0] == "quasimodo.example/salvatore"


@given(size=st.integers(0, 2**64 - 1), root=st.binary(min_size=32, max_size=32))
def test_what_is_signed_is_read_back(size: int, root: bytes) -> None:
    checkpoint = verify_checkpoint(
        sign_checkpoint(KEY, size=size, root=root), [VerifierKey.parse(KEY.verifier)]
    )
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, size, root)
    assert checkpoint.extensions == ()


@given(st.integers(0, len(NOTE.encode()) * 8 - 1))
def test_any_single_flipped_bit_is_refused(bit: int) -> None:
    spoiled = bytearray(NOTE.encode())
    spoiled[bit // 8] ^= 1 << bit % 8
    try:
        note = spoiled.decode()
    except UnicodeDecodeError:
        return
    assert code_of(note)


@given(st.text(max_size=200))
def test_any_text_is_refused_with_a_code(text: str) -> None:
    assert code_of(text) in {"malformed", "control-character", "no-known-signature"}


def test_keys_survive_their_text_forms() -> None:
    again = LogKey.parse_secret(KEY.secret_text + "\n")
    assert again.verifier == KEY.verifier
    assert sign_checkpoint(again, size=7, root=ROOT) == NOTE
    assert KEY.verifier.startswith(f"{ORIGIN}+")
    assert KEY.secret_text.startswith(f"PRIVATE+KEY+{ORIGIN}+")


def test_a_key_never_shows_its_secret_by_itself() -> None:
    assert "private" not in repr(KEY).lower()
    secret = KEY.secret_text.split("+", 4)[4]  # base64: a plus may stand in it, or end it
    assert len(secret) > 40
    assert secret not in repr(KEY)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text.replace("+", "", 1),
        lambda text: text.replace("log.", "lag."),
        lambda text: text[:-4],
        lambda text: text.replace("+A", "+B", 1) if "+A" in text else text + "A",
        lambda text: text + "=",
        lambda text: text.upper(),
        lambda text: "a b" + text,
    ],
)
def test_a_spoiled_key_is_refused_and_not_quoted(spoil) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    for text, parse in ((KEY.verifier, VerifierKey.parse), (KEY.secret_text, LogKey.parse_secret)):
        with pytest.raises(BadKey) as caught:
            parse(spoil(text))
        assert len(str(caught.value)) < 20


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x00b", "x" * 301])
def test_an_origin_that_cannot_name_a_key_is_refused(origin: str) -> None:
    with pytest.raises(BadKey, match="key-name"):
        LogKey.generate(origin)


def test_signatures_by_unknown_keys_are_ignored() -> None:
    text = NOTE.rpartition("\n\n")[0] + "\n"
    extra = signature_line(WITNESS, text) + signature_line(OTHER_KEY, text)
    assert verify_checkpoint(NOTE + extra, [KEY.verifier_key]).size == 7
    assert verify_checkpoint(f"{text}\n{extra}{signature_line(KEY, text)}", [KEY.verifier_key])


def test_sixteen_signatures_and_more_are_taken() -> None:
    text = NOTE.rpartition("\n\n")[0] + "\n"
    note = NOTE + "".join(
        signature_line(LogKey.generate(f"w{number}.example"), text) for number in range(20)
    )
    assert verify_checkpoint(note, [KEY.verifier_key]).size == 7


def test_a_key_of_the_same_name_but_another_id_is_unknown() -> None:
    assert code_of(NOTE, OTHER_KEY) == "no-known-signature"


def test_one_bad_signature_by_a_known_key_spoils_the_note() -> None:
    text = NOTE.rpartition("\n\n")[0] + "\n"
    wrong = signature_line(WITNESS, text.replace("7", "8"))
    assert code_of(NOTE + wrong, KEY, WITNESS) == "bad-signature"
    twice = signature_line(KEY, text.replace("7", "8"))
    assert code_of(NOTE + twice) == "bad-signature"


def test_a_witness_alone_does_not_speak_for_the_log() -> None:
    text = NOTE.rpartition("\n\n")[0] + "\n"
    assert code_of(WITNESS.sign(text), WITNESS) == "origin-mismatch"
    assert code_of(WITNESS.sign(text), KEY, WITNESS) == "origin-mismatch"


def test_no_verifiers_verify_nothing() -> None:
    with pytest.raises(BadCheckpoint, match="no-known-signature"):
        verify_checkpoint(NOTE, [])


def test_the_same_key_given_twice_is_one_key() -> None:
    twin = VerifierKey(name=KEY.origin, public=KEY.verifier_key.public)
    assert verify_checkpoint(NOTE, [KEY.verifier_key, twin]).size == 7


ENCODED = base64.b64encode(ROOT).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n07\n{ENCODED}\n",
        f"{ORIGIN}\n-7\n{ENCODED}\n",
        f"{ORIGIN}\n+7\n{ENCODED}\n",
        f"{ORIGIN}\n 7\n{ENCODED}\n",
        f"{ORIGIN}\n7 \n{ENCODED}\n",
        f"{ORIGIN}\n٧\n{ENCODED}\n",
        f"{ORIGIN}\n7.0\n{ENCODED}\n",
        f"{ORIGIN}\n0x7\n{ENCODED}\n",
        f"{ORIGIN}\n{2**64}\n{ENCODED}\n",
        f"{ORIGIN}\n\n{ENCODED}\n",
        f"\n7\n{ENCODED}\n",
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n7\n{ENCODED[:-1]}\n",
        f"{ORIGIN}\n7\n{ENCODED[:-2]}9=\n",
        f"{ORIGIN}\n7\n{base64.b64encode(ROOT[:31]).decode()}\n",
        f"{ORIGIN}\n7\n{base64.urlsafe_b64encode(b'~' * 32).decode()}\n".replace("+", "-"),
        f"{ORIGIN}\n7\n{ENCODED}\n\n",
        f"{ORIGIN}\n7\n{ENCODED}\n\nextension\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    assert code_of(resigned(text)) == "malformed"


def test_extension_lines_are_kept() -> None:
    note = resigned(f"{ORIGIN}\n7\n{ENCODED}\none\ntwo\n")
    assert verify_checkpoint(note, [KEY.verifier_key]).extensions == ("one", "two")


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (NOTE[:-1], "malformed"),
        (NOTE + "\n", "malformed"),
        (NOTE + "x\n", "malformed"),
        (NOTE.replace("\u2014 ", "- "), "malformed"),
        (NOTE.replace("\u2014 ", "\u2014  "), "malformed"),
        (NOTE.replace("\u2014 ", "\u2014\u00a0"), "malformed"),
        (NOTE.replace("\n\n", "\n"), "malformed"),
        (NOTE.replace("\n", "\r\n"), "control-character"),
        (NOTE + "\x00", "control-character"),
        (NOTE.replace("log", "l\tg"), "control-character"),
        (NOTE.replace("log", "l\ud800g"), "not-utf8"),
        (NOTE.rpartition("\n\n")[0] + "\n", "malformed"),
        (NOTE.rpartition("\n\n")[0] + "\n\n", "malformed"),
        (NOTE + "\u2014 short AAAAAA==\n", "malformed"),
        (NOTE + "\u2014 name+plus AAAAAAAA\n", "malformed"),
        ("x" * (MAX_NOTE_BYTES + 1), "too-long"),
        ("\u00e8" * (MAX_NOTE_BYTES // 2 + 1), "too-long"),
    ],
)
def test_a_note_not_in_the_exact_form_is_refused(note: str, code: str) -> None:
    assert code_of(note) == code


def test_a_note_beside_the_limits_is_still_read_and_past_them_not() -> None:
    text = NOTE.rpartition("\n\n")[0] + "\n"
    line = signature_line(WITNESS, text)
    assert verify_checkpoint(NOTE + line * 63, [KEY.verifier_key])
    assert code_of(NOTE + line * 64) == "malformed"


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (2**64, ROOT), (1, b""), (1, bytes(33))])
def test_what_is_no_tree_is_not_signed(size: int, root: bytes) -> None:
    with pytest.raises(ValueError):
        sign_checkpoint(KEY, size=size, root=root)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\x00\n"])
def test_what_is_no_note_text_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError):
        KEY.sign(text)


def test_ed25519_vectors_are_judged_as_published() -> None:
    path: Path = vectors("wycheproof/ed25519_test.json")
    ran = 0
    for group in json.loads(path.read_bytes())["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        key = VerifierKey(name="wycheproof", public=public)
        for case in group["tests"]:
            found = key.verifies(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert found is (case["result"] == "valid"), case["tcId"]
            ran += 1
    assert ran > 100
