"""The audit of a whole log: a sound one passes, and every attack is named where it was made."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.disclosure_log.checkpoint import VerifierKey, sign_checkpoint
from gateway.disclosure_log.fsck import MAX_PROBLEMS, LogReport, check_log
from gateway.disclosure_log.merkle import leaf_hash, root_of
from gateway.disclosure_log.problem import CannotRead
from gateway.disclosure_log.sources import DirectorySource
from tests.disclosure_log import independent, second_verifier
from tests.disclosure_log.logs import KEY, ORIGIN, OTHER_KEY, WrittenLog, bodies

COUNT = 700
SIZES = (1, 5, 6, 255, 256, 300, 512, 513, 699, 700)
ENTRIES = bodies(COUNT)
TRUSTED = KEY.verifier_key


@pytest.fixture
def log(tmp_path: Path) -> Iterator[WrittenLog]:
    written = WrittenLog(tmp_path, ENTRIES, SIZES)
    yield written
    written.close()


def check(
    log: WrittenLog, verifier: VerifierKey | None = TRUSTED, held: Sequence[str] = ()
) -> LogReport:
    source = DirectorySource(log.folder)
    try:
        report = check_log(source, verifier=verifier, held=held)
    finally:
        source.close()
    wrong = second_verifier.verify(log.folder, str(verifier or ""), held)
    assert (report.verdict == "bad") == bool(wrong), (report.problems, wrong)
    return report


def first_fault(report: LogReport) -> tuple[str, int | None]:
    assert report.verdict == "bad"
    return report.problems[0].code, report.problems[0].index


def codes(report: LogReport) -> set[str]:
    return {fault.code for fault in report.problems}


def test_a_sound_log_is_ok_and_its_root_is_that_of_a_second_opinion(log: WrittenLog) -> None:
    report = check(log)
    assert report.problems == ()
    assert (report.verdict, report.size, report.checkpoints) == ("ok", COUNT, len(SIZES))
    assert report.root == independent.tree_head([leaf_hash(body) for body in ENTRIES])


def test_without_a_key_the_logs_own_word_is_taken(log: WrittenLog) -> None:
    assert check(log, verifier=None).verdict == "ok"


def test_progress_is_told_in_entries(log: WrittenLog) -> None:
    seen: list[tuple[int, int]] = []
    source = DirectorySource(log.folder)
    check_log(source, verifier=TRUSTED, progress=lambda done, total: seen.append((done, total)))
    source.close()
    assert seen
    assert {total for _, total in seen} == {COUNT}


@given(st.lists(st.integers(1, 600), min_size=1, max_size=12, unique=True).map(sorted))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_grouping_into_commits_is_sound(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    written = WrittenLog(tmp_path_factory.mktemp("log"), ENTRIES, sizes)
    report = check(written)
    written.close()
    assert report.problems == ()
    assert report.root == root_of([leaf_hash(body) for body in ENTRIES[: sizes[-1]]])


# --- each attack, and where the audit must point ---


@pytest.mark.parametrize("index", [0, 5, 255, 256, 400, 699])
def test_an_edited_entry_is_named(log: WrittenLog, index: int) -> None:
    log.edit("UPDATE log_entry SET body = ? WHERE idx = ?", ENTRIES[index - 1], index)
    assert first_fault(check(log)) == ("leaf-mismatch", index)


@pytest.mark.parametrize("index", [0, 255, 256, 699])
def test_an_edited_leaf_hash_is_named(log: WrittenLog, index: int) -> None:
    log.edit("UPDATE log_entry SET leaf = ? WHERE idx = ?", bytes(32), index)
    report = check(log)
    assert first_fault(report) == ("leaf-mismatch", index)
    assert len(report.problems) == 1, "the entries themselves are sound"


def test_an_edited_entry_with_its_leaf_hash_is_named_by_its_tile(log: WrittenLog) -> None:
    forged = ENTRIES[41].replace(b"code-41", b"code-14")
    log.edit("UPDATE log_entry SET body = ?, leaf = ? WHERE idx = 41", forged, leaf_hash(forged))
    report = check(log)
    # The first checkpoint over it fails first, and says no more than where trust ended.
    assert first_fault(report) == ("root-mismatch", 6)
    assert ("tile-mismatch", 41) in [(fault.code, fault.index) for fault in report.problems]


def test_an_edit_carried_through_every_tile_still_fails_the_signed_roots(log: WrittenLog) -> None:
    forged = [*ENTRIES[:560], ENTRIES[560].replace(b"code-560", b"code-065"), *ENTRIES[561:]]
    leaf = leaf_hash(forged[560])
    log.edit("UPDATE log_entry SET body = ?, leaf = ? WHERE idx = 560", forged[560], leaf)
    report = check(log)
    assert first_fault(report) == ("root-mismatch", 513)
    assert "checkpoints-inconsistent" in codes(report)


@pytest.mark.parametrize("index", [0, 3, 256, 512])
def test_an_edited_tile_is_named(log: WrittenLog, index: int) -> None:
    tile, place = divmod(index, 256)
    if (tile + 1) * 256 > COUNT:
        tile, place = 1, 200
    hashes = bytearray(log.load_tile(0, tile))
    hashes[place * 32] ^= 1
    log.edit("UPDATE log_tile SET hashes = ? WHERE idx = ?", bytes(hashes), tile)
    report = check(log)
    assert first_fault(report) == ("tile-mismatch", tile * 256 + place)
    assert len(report.problems) == 1


def test_a_deleted_or_cut_tile_is_named(log: WrittenLog) -> None:
    log.edit("UPDATE log_tile SET hashes = ? WHERE idx = 0", log.load_tile(0, 0)[:-32])
    log.edit("DELETE FROM log_tile WHERE idx = 1")
    faults = [(fault.code, fault.index) for fault in check(log).problems]
    assert faults == [("tile-mismatch", 255), ("tile-missing", 256)]


def test_a_deleted_last_entry_is_named(log: WrittenLog) -> None:
    log.edit("DELETE FROM log_entry WHERE idx = 699")
    assert first_fault(check(log)) == ("entry-missing", 699)


@pytest.mark.parametrize("index", [0, 5, 255, 300])
def test_a_deleted_middle_entry_is_named(log: WrittenLog, index: int) -> None:
    log.edit("DELETE FROM log_entry WHERE idx = ?", index)
    assert first_fault(check(log)) == ("entry-missing", index)


def test_a_deleted_entry_with_the_rest_moved_up_is_found(log: WrittenLog) -> None:
    log.edit("DELETE FROM log_entry WHERE idx = 300")
    for index in range(301, COUNT):
        log.edit("UPDATE log_entry SET idx = idx - 1 WHERE idx = ?", index)
    report = check(log)
    assert first_fault(report) == ("tile-mismatch", 300)
    assert "root-mismatch" in codes(report)


def test_swapped_entries_are_named_at_the_first(log: WrittenLog) -> None:
    for old, new in ((100, -1), (101, 100), (-1, 101)):
        log.edit("UPDATE log_entry SET idx = ? WHERE idx = ?", new, old)
    report = check(log)
    assert first_fault(report) == ("root-mismatch", 6)
    assert ("tile-mismatch", 100) in [(fault.code, fault.index) for fault in report.problems]


def test_a_log_truncated_under_its_checkpoints_is_found(log: WrittenLog) -> None:
    log.edit("DELETE FROM log_entry WHERE idx >= 400")
    assert first_fault(check(log)) == ("entry-missing", 400)


def test_a_log_cut_back_to_an_earlier_checkpoint_is_found_by_who_kept_a_later_one(
    log: WrittenLog,
) -> None:
    log.edit("DELETE FROM log_entry WHERE idx >= 300")
    log.edit("DELETE FROM log_checkpoint WHERE size > 300")
    log.edit("DELETE FROM log_tile WHERE idx >= 1")
    assert check(log).verdict == "ok", "nothing inside such a log can show it"
    assert check(log, held=[log.notes[256]]).verdict == "ok"
    assert first_fault(check(log, held=[log.notes[699]])) == ("rolled-back", 300)


def test_a_fork_of_the_log_is_found_by_who_kept_the_other_branch(tmp_path: Path) -> None:
    other = [*ENTRIES[:450], *ENTRIES[451:], ENTRIES[450]]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ours = WrittenLog(tmp_path / "a", ENTRIES, SIZES)
    theirs = WrittenLog(tmp_path / "b", other, SIZES)
    own = check(ours, held=list(ours.notes.values()))
    before = check(ours, held=[theirs.notes[300]])
    after = check(ours, held=[theirs.notes[512], theirs.notes[300]])
    ours.close()
    theirs.close()
    assert own.verdict == before.verdict == "ok"
    assert first_fault(after) == ("held-checkpoint-root-mismatch", 300)


def test_a_kept_checkpoint_between_two_stored_ones_is_checked(log: WrittenLog) -> None:
    right = sign_checkpoint(KEY, size=77, root=root_of([leaf_hash(b) for b in ENTRIES[:77]]))
    wrong = sign_checkpoint(KEY, size=77, root=root_of([leaf_hash(b) for b in ENTRIES[:76]]))
    report = check(log, held=[log.notes[700], right])
    assert (report.problems, report.checkpoints) == ((), len(SIZES))
    assert first_fault(check(log, held=[wrong])) == ("held-checkpoint-root-mismatch", 0)


def test_a_kept_checkpoint_that_the_log_never_signed_is_named(log: WrittenLog) -> None:
    forged = sign_checkpoint(OTHER_KEY, size=5, root=bytes(32))
    assert first_fault(check(log, held=[forged]))[0] == "held-checkpoint-no-known-signature"
    assert first_fault(check(log, held=["rubbish"]))[0] == "held-checkpoint-malformed"


def test_a_replaced_checkpoint_is_named(log: WrittenLog) -> None:
    note = sign_checkpoint(KEY, size=256, root=bytes(32))
    log.edit("UPDATE log_checkpoint SET note = ? WHERE size = 256", note)
    report = check(log)
    assert first_fault(report) == ("root-mismatch", 255)
    assert codes(report) == {"root-mismatch", "checkpoints-inconsistent"}


def test_a_checkpoint_in_anothers_place_is_named(log: WrittenLog) -> None:
    log.edit("UPDATE log_checkpoint SET note = ? WHERE size = 256", log.notes[6])
    assert first_fault(check(log)) == ("checkpoint-order", 6)


def test_a_checkpoint_that_is_no_checkpoint_is_named(log: WrittenLog) -> None:
    log.edit("UPDATE log_checkpoint SET note = 'rubbish' WHERE size = 300")
    assert first_fault(check(log)) == ("checkpoint-malformed", 256)


def test_checkpoints_signed_anew_with_another_key_are_named(log: WrittenLog) -> None:
    leaves = [leaf_hash(body) for body in ENTRIES]
    for size in SIZES:
        note = sign_checkpoint(OTHER_KEY, size=size, root=root_of(leaves[:size]))
        log.edit("UPDATE log_checkpoint SET note = ? WHERE size = ?", note, size)
    assert first_fault(check(log)) == ("checkpoint-no-known-signature", 1)
    (log.folder / "log.vkey").write_text(OTHER_KEY.verifier)
    report = check(log)
    assert first_fault(report) == ("key-not-the-one-given", None)
    assert "checkpoint-no-known-signature" in codes(report)
    assert report.checkpoints == 0


def test_a_bad_signature_is_named(log: WrittenLog) -> None:
    note = log.notes[512].replace("\n512\n", "\n513\n")
    log.edit("UPDATE log_checkpoint SET note = ? WHERE size = 513", note)
    assert first_fault(check(log)) == ("checkpoint-bad-signature", 513)


def test_entries_after_the_last_checkpoint_are_named(log: WrittenLog) -> None:
    log.edit("DELETE FROM log_checkpoint WHERE size > 512")
    assert first_fault(check(log)) == ("entry-unsigned", 512)


def test_a_log_without_checkpoints_is_not_ok(log: WrittenLog) -> None:
    log.edit("DELETE FROM log_checkpoint")
    assert first_fault(check(log)) == ("checkpoint-missing", 0)
    log.edit("DELETE FROM log_entry")
    assert first_fault(check(log)) == ("checkpoint-missing", 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"not json", "entry-not-json"),
        (b'{"op":"security","v":1, "at":"x"}', "entry-not-canonical"),
        (b'{"at":"x","op":"deletion","v":1}', "entry-operation"),
    ],
)
def test_an_ill_formed_entry_is_named_though_everything_over_it_is_signed(
    tmp_path: Path, body: bytes, code: str
) -> None:
    written = WrittenLog(tmp_path, [*ENTRIES[:7], body, *ENTRIES[7:10]], [5, 11])
    report = check(written)
    written.close()
    assert [(fault.code, fault.index) for fault in report.problems] == [(code, 7)]


def test_a_log_of_nothing_but_faults_ends_the_audit_early(tmp_path: Path) -> None:
    written = WrittenLog(tmp_path, [b"{}%d" % number for number in range(300)], [300])
    report = check(written)
    written.close()
    assert len(report.problems) == MAX_PROBLEMS
    assert report.size < 300


def test_a_missing_or_spoiled_key_file_is_named(log: WrittenLog) -> None:
    (log.folder / "log.vkey").write_text("rubbish")
    assert first_fault(check(log)) == ("key-malformed", None)
    (log.folder / "log.vkey").unlink()
    assert check(log).verdict == "ok"
    assert first_fault(check(log, verifier=None)) == ("key-missing", None)


def test_an_audit_of_a_log_still_written_to_sees_one_moment(log: WrittenLog) -> None:
    source = DirectorySource(log.folder)
    log.edit("DELETE FROM log_entry WHERE idx >= 10")
    report = check_log(source, verifier=TRUSTED)
    source.close()
    assert (report.verdict, report.size) == ("ok", COUNT)
    assert check(log).verdict == "bad"


def test_what_is_no_log_cannot_be_read(tmp_path: Path) -> None:
    for content in (None, b"", b"not a database" * 100):
        if content is not None:
            (tmp_path / "throughgate.db").write_bytes(content)
        with pytest.raises(CannotRead, match="database"):
            DirectorySource(tmp_path)


def test_auditing_writes_nothing(log: WrittenLog) -> None:
    source = DirectorySource(log.folder)
    with pytest.raises(CannotRead):
        list(source._rows("DELETE FROM log_entry"))
    source.close()
    assert check(log).size == COUNT


def test_the_log_claims_its_own_key(log: WrittenLog) -> None:
    source = DirectorySource(log.folder)
    claimed = source.origin_key()
    source.close()
    assert claimed == KEY.verifier
    assert claimed.startswith(ORIGIN)
