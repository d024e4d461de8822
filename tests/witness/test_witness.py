"""The rule of a witness: every answer of the specification, and no promise ever broken."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.disclosure_log.checkpoint import LogKey, sign_checkpoint, verify_checkpoint
from gateway.disclosure_log.merkle import EMPTY_ROOT
from gateway.disclosure_log.note import merge, open_note, parse_note, parse_signatures
from gateway.disclosure_log.problem import BadKey
from gateway.witness.request import MAX_PROOF, SIZE_TYPE, BadRequest, origin_hash, parse, parse_size
from gateway.witness.state import State, StateUnavailable
from gateway.witness.witness import DATABASE, Answer, Witness, create
from keys.problem import KeyProblem
from tests.disclosure_log.test_cosignature import _indented
from tests.witness.stage import Log, keys_of, made, now, text_of

LOG = Log(40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "witness"


@pytest.fixture
def witness(folder: Path) -> Iterator[Witness]:
    opened = made(folder, LOG)
    yield opened
    opened.close()


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


def knows(witness: Witness, log: Log = LOG) -> int:
    latest = witness.state.latest(log.key.origin)
    return latest.size if latest else 0


def test_a_log_that_grows_is_cosigned_by_both_keys(witness: Witness, folder: Path) -> None:
    old = 0
    for size in (1, 2, 7, 8, 8, 9, 40):
        answer = witness.add_checkpoint(LOG.request(old, size))
        assert said(answer) == (200, "cosigned")
        note = merge(LOG.note(size), parse_signatures(answer.body))
        text, signers = open_note(note, keys_of(folder))
        assert set(signers) == set(keys_of(folder))
        assert text.encode() == text_of(LOG.note(size))
        assert knows(witness) == size
        old = size


def test_an_unknown_log_is_404_and_a_log_without_a_known_signature_403(witness: Witness) -> None:
    stranger = Log(3, origin="log.example.org/stranger")
    impostor = Log(3, origin=LOG.key.origin)
    assert said(witness.add_checkpoint(stranger.request(0, 3))) == (404, "unknown-log")
    assert said(witness.add_checkpoint(impostor.request(0, 3))) == (403, "signature")
    spoiled = LOG.note(3).encode().replace(b"\n3\n", b"\n4\n")
    assert said(witness.add_checkpoint(b"old 0\n\n" + spoiled)) == (403, "signature")
    # One good signature of the log does not make up for a bad one of the same key.
    twice = LOG.note(3).encode() + LOG.note(4).encode().rpartition(b"\n\n")[2]
    assert said(witness.add_checkpoint(b"old 0\n\n" + twice)) == (403, "signature")
    assert knows(witness) == 0


def test_signatures_of_unknown_keys_are_ignored(witness: Witness) -> None:
    stranger = LogKey.generate(LOG.key.origin)
    line = sign_checkpoint(stranger, size=9, root=bytes(32)).rpartition("\n\n")[2]
    assert said(witness.add_checkpoint(LOG.request(0, 3) + line.encode())) == (200, "cosigned")
    latest = witness.state.latest(LOG.key.origin)
    assert latest is not None
    assert line not in latest.note  # nor served to monitors


def test_another_old_size_is_409_with_the_size_that_is_known(witness: Witness) -> None:
    assert said(witness.add_checkpoint(LOG.request(2, 3))) == (409, "conflict")
    witness.add_checkpoint(LOG.request(0, 7))
    for old, size in ((0, 9), (5, 9), (8, 9), (3, 7), (0, 1)):
        answer = witness.add_checkpoint(LOG.request(old, size))
        assert said(answer) == (409, "conflict")
        assert (answer.body, answer.content_type) == ("7\n", SIZE_TYPE)
        assert parse_size(answer.body.encode()) == 7
    assert knows(witness) == 7


def test_an_old_size_above_the_checkpoints_is_400_before_it_is_a_conflict(
    witness: Witness,
) -> None:
    witness.add_checkpoint(LOG.request(0, 7))
    body = b"old 9\n\n" + LOG.note(8).encode()
    assert said(witness.add_checkpoint(body)) == (400, "old-size")
    rolled_back = b"old 7\n\n" + LOG.note(5).encode()
    assert said(witness.add_checkpoint(rolled_back)) == (400, "old-size")
    assert knows(witness) == 7


def test_a_fork_is_422_wherever_it_began(witness: Witness) -> None:
    witness.add_checkpoint(LOG.request(0, 20))
    for at in (0, 1, 7, 16, 19):
        fork = LOG.forked(at)
        assert said(witness.add_checkpoint(fork.request(20, 33))) == (422, "proof")
        assert said(witness.add_checkpoint(fork.request(20, 20))) == (422, "root")
    honest = LOG.forked(20)
    assert said(witness.add_checkpoint(honest.request(20, 33))) == (200, "cosigned")
    assert said(witness.add_checkpoint(LOG.request(33, 40))) == (422, "proof")


def test_a_proof_where_none_belongs_or_a_wrong_one_is_422(witness: Witness) -> None:
    body = b"old 0\n" + b"A" * 43 + b"=\n\n" + LOG.note(7).encode()
    assert said(witness.add_checkpoint(body)) == (422, "proof")
    witness.add_checkpoint(LOG.request(0, 7))
    for lines in (b"", b"A" * 43 + b"=\n", (b"A" * 43 + b"=\n") * MAX_PROOF):
        body = b"old 7\n" + lines + b"\n" + LOG.note(20).encode()
        assert said(witness.add_checkpoint(body)) == (422, "proof")
    same = b"old 7\n" + b"A" * 43 + b"=\n\n" + LOG.note(7).encode()
    assert said(witness.add_checkpoint(same)) == (422, "proof")
    assert knows(witness) == 7


def test_an_empty_log_has_the_root_of_nothing(witness: Witness) -> None:
    wrong = sign_checkpoint(LOG.key, size=0, root=bytes(32))
    assert said(witness.add_checkpoint(b"old 0\n\n" + wrong.encode())) == (422, "empty-root")
    right = sign_checkpoint(LOG.key, size=0, root=EMPTY_ROOT)
    assert said(witness.add_checkpoint(b"old 0\n\n" + right.encode())) == (200, "cosigned")
    assert said(witness.add_checkpoint(LOG.request(0, 5))) == (200, "cosigned")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        LOG.note(3).encode(),
        b"old 0\n" + LOG.note(3).encode(),
        b"old 00\n\n" + LOG.note(3).encode(),
        b"old -1\n\n" + LOG.note(3).encode(),
        b"old  0\n\n" + LOG.note(3).encode(),
        b"old \xd9\xa3\n\n" + LOG.note(3).encode(),
        b"old 18446744073709551616\n\n" + LOG.note(3).encode(),
        b"Old 0\n\n" + LOG.note(3).encode(),
        b"old 0\r\n\r\n" + LOG.note(3).encode(),
        b"old 0\nAAAA\n\n" + LOG.note(3).encode(),
        b"old 0\n!\n\n" + LOG.note(3).encode(),
        b"old 0\n" + (b"A" * 43 + b"=\n") * (MAX_PROOF + 1) + b"\n" + LOG.note(3).encode(),
        b"old 0\n\n" + LOG.note(3).encode()[:-1],
        b"old 0\n\n" + LOG.key.sign("not a checkpoint\n").encode(),
        b"old 0\n\n" + LOG.note(3).encode() + b"\xff",
        b"old 0\n\n" + LOG.note(3).encode() + b"x" * 200_000,
    ],
)
def test_a_body_not_in_the_exact_form_is_400(witness: Witness, body: bytes) -> None:
    assert witness.add_checkpoint(body).status == 400
    assert knows(witness) == 0


@given(st.binary(max_size=300))
def test_any_octets_are_no_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body)


def test_the_specifications_request_is_read() -> None:
    text = next(one for one in _indented("tlog-witness.md") if one.startswith("old 20852014"))
    head, _, _ = text.partition("\n")
    assert head == "old 20852014"
    whole = [one for one in _indented("tlog-witness.md") if "behind-the-sofa" in one]
    request = parse((text + "\n" + "\n".join(whole[:2])).replace("\n\n\n", "\n\n").encode())
    assert request.old == 20852014
    assert len(request.proof) == 4
    assert [name for name, _ in request.note.signatures] == ["example.com/behind-the-sofa"] * 2


@pytest.mark.parametrize(
    "body", [b"", b"7", b"07\n", b"-7\n", b"7\n\n", b"7 \n", b"9" * 30 + b"\n"]
)
def test_what_is_no_size_is_none(body: bytes) -> None:
    assert parse_size(body) is None


def test_two_keys_of_a_log_overlap_while_it_changes_from_one_to_the_other(
    witness: Witness, folder: Path
) -> None:
    new = Log(0, origin=LOG.key.origin)
    new.leaves = LOG.leaves
    witness.add_checkpoint(LOG.request(0, 7))
    assert said(witness.add_checkpoint(new.request(7, 8))) == (403, "signature")
    witness.add_log(new.key.verifier)
    both = merge(LOG.note(8), parse_note(new.note(8)).signatures)
    body = LOG.request(7, 8).partition(b"\n\n")[0] + b"\n\n" + both.encode()
    assert said(witness.add_checkpoint(body)) == (200, "cosigned")
    latest = witness.state.latest(LOG.key.origin)
    assert latest is not None
    for key in (LOG.key, new.key):
        assert verify_checkpoint(latest.note, [key.verifier_key, *keys_of(folder)]).size == 8
    assert witness.state.drop_key(LOG.key.verifier_key)
    assert said(witness.add_checkpoint(LOG.request(8, 9))) == (403, "signature")
    assert said(witness.add_checkpoint(new.request(8, 9))) == (200, "cosigned")


def test_a_log_forgotten_and_added_again_does_not_begin_anew(witness: Witness) -> None:
    witness.add_checkpoint(LOG.request(0, 20))
    assert witness.state.drop_key(LOG.key.verifier_key)
    assert not witness.state.drop_key(LOG.key.verifier_key)
    assert said(witness.add_checkpoint(LOG.request(20, 21))) == (404, "unknown-log")
    witness.add_log(LOG.key.verifier)
    assert said(witness.add_checkpoint(LOG.forked(3).request(0, 5))) == (409, "conflict")
    assert said(witness.add_checkpoint(LOG.request(20, 21))) == (200, "cosigned")


def test_several_logs_are_kept_apart(witness: Witness) -> None:
    other = Log(9, origin="log.example.org/other")
    witness.add_log(other.key.verifier)
    witness.add_checkpoint(LOG.request(0, 7))
    assert said(witness.add_checkpoint(other.request(0, 3))) == (200, "cosigned")
    assert (knows(witness), knows(witness, other)) == (7, 3)
    found = witness.state.latest_by_hash(origin_hash(other.key.origin))
    assert found is not None
    assert found.size == 3
    assert witness.state.origins() == (other.key.origin, LOG.key.origin)


def test_what_is_no_logs_key_is_not_trusted(witness: Witness, folder: Path) -> None:
    for vkey in ("", "x", str(keys_of(folder)[0]), LogKey.generate("l" * 256).verifier):
        with pytest.raises(BadKey):
            witness.add_log(vkey)
    assert witness.state.origins() == (LOG.key.origin,)


def test_a_clock_set_back_dates_no_larger_tree_before_a_smaller(folder: Path) -> None:
    create(folder, "witness.example/1")
    times = iter([now(), now(), now().replace(year=2020)])
    witness = Witness.open(folder, lambda: next(times))
    witness.add_log(LOG.key.verifier)
    witness.add_checkpoint(LOG.request(0, 3))
    witness.add_checkpoint(LOG.request(3, 4))
    latest = witness.state.latest(LOG.key.origin)
    assert latest is not None
    assert latest.cosigned_at == int(now().timestamp())
    witness.close()


def test_a_witness_is_made_once_and_its_keys_are_its_own(folder: Path) -> None:
    vkeys = create(folder, "witness.example/1")
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    with pytest.raises((StateUnavailable, KeyProblem)):
        create(folder, "witness.example/2")
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
    assert [str(key) for key in keys_of(folder)] == list(vkeys)
    for name in ("ed25519.key", "ml-dsa-44.key", DATABASE):
        assert (folder / name).stat().st_mode & 0o077 == 0
    (folder / "ed25519.key").chmod(0o644)
    with pytest.raises(KeyProblem):
        Witness.open(folder, now)


def test_a_state_that_is_none_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(StateUnavailable, match="init"):
        State(tmp_path / "missing.db")
    (tmp_path / "text.db").write_bytes(b"no database" * 100)
    with pytest.raises(StateUnavailable):
        State(tmp_path / "text.db")
    State.create(tmp_path / "mine.db")
    with pytest.raises(StateUnavailable, match="already"):
        State.create(tmp_path / "mine.db")


def test_of_two_at_once_the_second_sees_what_the_first_left(folder: Path) -> None:
    """The specification's race, on two connections of two threads, the larger and the smaller."""
    made(folder, LOG).close()
    for first in range(0, 12, 2):
        start = threading.Barrier(2)
        answers: dict[int, Answer] = {}

        def one(size: int, old: int = first, start: threading.Barrier = start,
                answers: dict[int, Answer] = answers) -> None:  # fmt: skip
            witness = Witness.open(folder, now)
            start.wait()
            answers[size] = witness.add_checkpoint(LOG.request(old, size))
            witness.close()

        threads = [threading.Thread(target=one, args=(size,)) for size in (first + 1, first + 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(one.status for one in answers.values()) == [200, 409]
        [won] = [size for size, answer in answers.items() if answer.status == 200]
        witness = Witness.open(folder, now)
        assert knows(witness) == won
        if won == first + 1:
            witness.add_checkpoint(LOG.request(won, first + 2))
        witness.close()


# A log that does what it likes: whatever it asks, the checkpoints cosigned are one growing log.
@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 24), st.integers(0, 24)),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_is_asked_what_is_cosigned_is_one_growing_log(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, int, int]]
) -> None:
    log = Log(24)
    versions = [log, log.forked(3), log.forked(11), log.forked(20)]
    witness = made(tmp_path_factory.mktemp("witness") / "w", log)
    seen: list[tuple[Log, int]] = []
    for which, old, size in asked:
        version = versions[which]
        known = seen[-1][1] if seen else 0
        for claimed in (old, known):
            if claimed <= size:
                body = version.request(claimed, size)
                if witness.add_checkpoint(body).status == 200:
                    seen.append((version, size))
    for (before, size1), (after, size2) in pairwise(seen):
        assert size1 <= size2
        assert before.leaves[:size1] == after.leaves[:size1]
    witness.close()
