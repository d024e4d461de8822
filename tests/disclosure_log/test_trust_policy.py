"""Trust policies: the whole grammar, and a quorum that is what an independent reading says."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure_log import merkle, proof
from gateway.disclosure_log.checkpoint import LogKey, sign_checkpoint
from gateway.disclosure_log.cosignature import CosignerKey, CosigningKey
from gateway.disclosure_log.note import parse_note
from gateway.disclosure_log.problem import BadCheckpoint
from gateway.disclosure_log.trust_policy import BadPolicy, TrustPolicy
from tests.disclosure_log.logs import KEY, OTHER_KEY, bodies
from tests.disclosure_log.test_checkpoint import blocks

AT = 1_774_000_000
ENTRY = bodies(1)[0]
NOTE = sign_checkpoint(KEY, size=1, root=merkle.leaf_hash(ENTRY))
TEXT = parse_note(NOTE).text
KEYS = [CosigningKey.generate(f"w.example/{number}", "ed25519") for number in range(8)]
ML = CosigningKey.generate("w.example/ml", "ml-dsa-44")
LINES = [key.cosign(TEXT, at=AT) for key in KEYS]
V = [str(key.public_key) for key in KEYS]
LOG = f"log {KEY.verifier}\n"


def policy(*lines: str) -> TrustPolicy:
    return TrustPolicy.parse("".join(f"{line}\n" for line in lines))


def refused(text: str | bytes) -> BadPolicy:
    with pytest.raises(BadPolicy) as caught:
        TrustPolicy.parse(text)
    return caught.value


def cosigned(*numbers: int) -> str:
    return NOTE + "".join(LINES[number] for number in numbers)


def example() -> TrustPolicy:
    """The specification's own example, with real keys in place of ``<vkey>``."""
    text = next(one for one in blocks("tlog-policy.md") if "X-and-Y" in one)
    for vkey in (KEY.verifier, *V):
        text = text.replace("<vkey>", vkey, 1)
    return TrustPolicy.parse(text)


@pytest.mark.parametrize(
    ("signers", "enough"),
    [
        ((), False),
        ((0, 1), False),
        ((0, 3), False),
        ((3, 4, 5), False),
        ((0, 1, 3), True),
        ((1, 2, 5), True),
        ((0, 1, 2, 3, 4, 5), True),
    ],
)
def test_the_specifications_example(signers: tuple[int, ...], enough: bool) -> None:
    read = example()
    assert read.satisfied(cosigned(*signers)) is enough
    names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    assert read.cosigned_by(cosigned(*signers)) == {names[number] for number in signers}
    assert (read.quorum, [group.threshold for group in read.groups]) == ("X-and-Y", [2, 1, 2])


def test_urls_comments_blanks_and_tabs_are_read() -> None:
    read = TrustPolicy.parse(
        f"# a comment, \u00e8 and all\n\n \t \n\t log\t{KEY.verifier}  https://log.example \n"
        f"  # another\nwitness w {V[0]}   https://w.example/prefix/\t\nquorum w\n"
    )
    assert read.logs[0].url == "https://log.example"
    assert read.witnesses[0].url == "https://w.example/prefix/"
    assert read.satisfied(cosigned(0))


def test_names_are_octets_and_no_letters() -> None:
    kelvin = b"\xe2\x84\xaa"
    text = b"witness K %b\nwitness %b %b\nwitness \xff\xfe %b\nquorum %b\n" % (
        V[0].encode(), kelvin, V[1].encode(), V[2].encode(), kelvin,
    )  # fmt: skip
    read = TrustPolicy.parse(text)
    assert not read.satisfied(cosigned(0), log_keys=[KEY.verifier_key])
    assert read.satisfied(cosigned(1), log_keys=[KEY.verifier_key])
    latin = TrustPolicy.parse(b"witness \xe9 %b\nquorum \xe9\n" % V[0].encode())
    assert latin.satisfied(cosigned(0), log_keys=[KEY.verifier_key])


def test_the_quorum_none_needs_the_log_alone() -> None:
    read = TrustPolicy.parse(LOG + "quorum none\n")
    assert read.satisfied(NOTE)
    assert not read.satisfied(NOTE.replace("\n1\n", "\n2\n"))
    assert not TrustPolicy.parse(f"log {OTHER_KEY.verifier}\nquorum none\n").satisfied(NOTE)


def test_without_any_known_log_nothing_satisfies() -> None:
    read = policy("quorum none")
    assert not read.satisfied(NOTE)
    assert read.satisfied(NOTE, log_keys=[KEY.verifier_key])


def test_any_one_of_the_logs_will_do() -> None:
    read = TrustPolicy.parse(f"{LOG}log {OTHER_KEY.verifier}\nwitness w {V[0]}\nquorum w\n")
    other = sign_checkpoint(OTHER_KEY, size=1, root=merkle.leaf_hash(ENTRY))
    assert read.satisfied(cosigned(0))
    assert read.satisfied(other + LINES[0])


def test_a_log_may_sign_with_a_cosigners_key_under_its_own_name() -> None:
    log = CosigningKey.generate(KEY.origin, "ml-dsa-44")
    note = f"{TEXT}\n{log.cosign(TEXT, at=AT)}"
    read = TrustPolicy.parse(f"log {log.public_key}\nquorum none\n")
    assert read.satisfied(note)
    assert not TrustPolicy.parse(LOG + "quorum none\n").satisfied(note)


def test_one_wrong_signature_by_a_known_witness_spoils_the_note() -> None:
    read = TrustPolicy.parse(
        f"{LOG}witness a {V[0]}\nwitness b {V[1]}\ngroup g any a b\nquorum g\n"
    )
    wrong = KEYS[1].cosign(TEXT.replace("\n1\n", "\n2\n"), at=AT)
    assert read.satisfied(cosigned(0))
    assert not read.satisfied(cosigned(0) + wrong)
    assert read.cosigned_by(cosigned(0) + wrong) == frozenset()


def test_a_witness_cannot_stand_in_for_the_log() -> None:
    read = TrustPolicy.parse(f"{LOG}witness a {V[0]}\nquorum a\n")
    assert not read.satisfied(f"{TEXT}\n{LINES[0]}")


W = f"witness a {V[0]}\nwitness b {V[1]}\nwitness c {V[2]}\n"


REFUSED = [
    ("", "quorum-missing", 0),
    (W, "quorum-missing", 0),
    ("quorum none", "unterminated", 0),
    (W + "quorum a\r\n", "not-allowed-octet", 0),
    ("quorum none\n\x0c\n", "not-allowed-octet", 0),
    ("quorum none\x7f\n", "not-allowed-octet", 0),
    ("# \x00\nquorum none\n", "not-allowed-octet", 0),
    ("quorum none\nquorum none\n", "quorum-twice", 2),
    (W + "quorum d\n", "not-defined", 4),
    ("quorum a\n" + W, "not-defined", 1),
    ("quorum\n", "items", 1),
    ("quorum none none\n", "items", 1),
    ("Quorum none\n", "keyword", 1),
    ("quorum None\n", "not-defined", 1),
    ("quorum\u00a0none\n", "keyword", 1),
    ("log\nquorum none\n", "items", 1),
    (f"log {V[0]}x\nquorum none\n", "key", 1),
    (LOG + LOG + "quorum none\n", "duplicate", 2),
    (f"log {KEY.verifier} https://a b\nquorum none\n", "items", 1),
    (f"witness a {KEY.verifier}\nquorum a\n", "key", 1),
    ("witness a\nquorum none\n", "items", 1),
    (f"witness a {V[0]} u v\nquorum a\n", "items", 1),
    (W + f"witness d {V[0]}\nquorum a\n", "duplicate", 4),
    (W + f"witness a {V[3]}\nquorum a\n", "defined-twice", 4),
    (f"witness none {V[0]}\nquorum none\n", "defined-twice", 1),
    (W + "group a any b c\nquorum a\n", "defined-twice", 4),
    (W + "group none any b c\nquorum none\n", "defined-twice", 4),
    (W + "group g any\nquorum g\n", "items", 4),
    (W + "group g\nquorum g\n", "items", 4),
    (W + "group g any none\nquorum g\n", "not-defined", 4),
    (W + "group g any g\nquorum g\n", "not-defined", 4),
    (W + "group g any d\nquorum g\n", "not-defined", 4),
    ("group g any a\n" + W + "quorum g\n", "not-defined", 1),
    (W + "group g 2 a a\nquorum g\n", "member-twice", 4),
    (W + "group g any a\ngroup h any a b\nquorum h\n", "member-twice", 5),
    (W + "group g any a\ngroup h any g\ngroup i any g\nquorum h\n", "member-twice", 6),
    (W + "group g 0 a b\nquorum g\n", "threshold", 4),
    (W + "group g 3 a b\nquorum g\n", "threshold", 4),
    (W + "group g 02 a b\nquorum g\n", "threshold", 4),
    (W + "group g +1 a b\nquorum g\n", "threshold", 4),
    (W + "group g -1 a b\nquorum g\n", "threshold", 4),
    (W + "group g \u0662 a b\nquorum g\n", "threshold", 4),
    (W + "group g Any a b\nquorum g\n", "threshold", 4),
    (W + "group g 99999999999 a b\nquorum g\n", "threshold", 4),
]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    REFUSED,
    ids=[f"{number}-{code}" for number, (_, code, _) in enumerate(REFUSED)],  # keys are random
)
def test_what_is_no_policy_is_refused_where_it_is_not(text: str, code: str, line: int) -> None:
    error = refused(text)
    assert (error.code, error.line) == (code, line)
    assert V[0] not in str(error)


def test_the_same_public_key_under_another_name_is_a_duplicate() -> None:
    twin = CosignerKey(name="other.example", algorithm="ed25519", public=KEYS[0].public_key.public)
    assert refused(f"witness a {V[0]}\nwitness b {twin}\nquorum a\n").code == "duplicate"
    renamed = CosignerKey(name="l.example", algorithm="ed25519", public=KEY.verifier_key.public)
    assert refused(f"{LOG}log {renamed}\nquorum none\n").code == "duplicate"


def test_as_many_as_the_specification_recommends_are_taken() -> None:
    logs = [LogKey.generate(f"log.example/{number}") for number in range(32)]
    keys = [CosigningKey.generate(f"w.example/{number}", "ed25519") for number in range(32)]
    lines = [f"log {log.verifier}" for log in logs]
    lines += [f"witness w{number} {key.public_key}" for number, key in enumerate(keys)]
    lines += ["group g0 any w0"]
    lines += [f"group g{number} all g{number - 1} w{number}" for number in range(1, 32)]
    read = policy(*lines, "quorum g31")
    assert read.quorum_met({f"w{number}" for number in range(32)})
    assert not read.quorum_met({f"w{number}" for number in range(31)})


def test_too_long_a_file_is_refused() -> None:
    assert refused("#" * (1024 * 1024) + "\nquorum none\n").code == "too-long"


# Random policies: groups of what is not yet in a group, and a quorum of any name.
Members = Mapping[str, tuple[int, tuple[str, ...]]]


@st.composite
def policies(draw: st.DrawFn) -> tuple[str, Members, str]:
    count = draw(st.integers(1, 8))
    free = [f"w{number}" for number in range(count)]
    lines = [LOG.rstrip()] + [f"witness w{number} {V[number]}" for number in range(count)]
    groups: dict[str, tuple[int, tuple[str, ...]]] = {}
    for number in range(draw(st.integers(0, 5))):
        if not free:
            break
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        free = [name for name in free if name not in members]
        threshold = draw(st.integers(1, len(members)))
        words = {1: "any", len(members): "all"}
        said = draw(st.sampled_from([str(threshold), words.get(threshold, str(threshold))]))
        lines.append(f"group g{number} {said} {' '.join(members)}")
        groups[f"g{number}"] = (threshold, tuple(members))
        free.append(f"g{number}")
    every = [f"w{number}" for number in range(count)] + list(groups) + ["none"]
    quorum = draw(st.sampled_from(every))
    return "\n".join([*lines, f"quorum {quorum}"]) + "\n", groups, quorum


def witnessed(name: str, groups: Members, signers: set[str]) -> bool:
    """A second opinion, from the top down."""
    if name not in groups:
        return name == "none" or name in signers
    threshold, members = groups[name]
    return len([one for one in members if witnessed(one, groups, signers)]) >= threshold


@given(policies(), st.sets(st.integers(0, 7)))
def test_a_quorum_is_what_an_independent_reading_says(
    made: tuple[str, Members, str], signers: set[int]
) -> None:
    text, groups, quorum = made
    read = TrustPolicy.parse(text)
    known = {f"w{number}" for number in signers} & {one.name for one in read.witnesses}
    expected = witnessed(quorum, groups, known)
    note = cosigned(*sorted(signers))
    assert read.satisfied(note) is expected
    assert read.cosigned_by(note) == known
    assert TrustPolicy.parse(text.encode()) == read


@given(policies(), st.sets(st.integers(0, 7)), st.integers(0, 7))
def test_one_more_witness_never_makes_a_quorum_fail(
    made: tuple[str, Members, str], signers: set[int], more: int
) -> None:
    read = TrustPolicy.parse(made[0])
    if read.satisfied(cosigned(*sorted(signers))):
        assert read.satisfied(cosigned(*sorted(signers | {more})))


@given(st.binary(max_size=200))
def test_any_octets_are_refused_or_read_and_nothing_else(raw: bytes) -> None:
    try:
        read = TrustPolicy.parse(raw)
    except BadPolicy:
        return
    assert (read.quorum, read.witnesses) == ("none", ())


def test_a_proof_may_be_asked_for_its_witnesses() -> None:
    read = TrustPolicy.parse(f"{LOG}witness a {V[0]}\nwitness ml {ML.public_key}\n"
                             "group g all a ml\nquorum g\n")  # fmt: skip

    def text(note: str) -> str:
        return proof.render(index=0, path=[], checkpoint=note)

    both = cosigned(0) + ML.cosign(TEXT, at=AT)
    found = proof.verify(text(both), entry=ENTRY, verifiers=[], policy=read)
    assert found.checkpoint == both
    assert proof.verify(text(NOTE), entry=ENTRY, verifiers=[KEY.verifier_key]) is not None
    for note in (NOTE, cosigned(0), cosigned(1, 2)):
        with pytest.raises(BadCheckpoint, match="no-quorum"):
            proof.verify(text(note), entry=ENTRY, verifiers=[KEY.verifier_key], policy=read)
    unlisted = policy(f"witness a {V[0]}", "quorum a")
    with pytest.raises(BadCheckpoint, match="no-known-signature"):
        proof.verify(text(both), entry=ENTRY, verifiers=[], policy=unlisted)
