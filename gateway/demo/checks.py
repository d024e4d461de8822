"""What must hold at the end of the demonstration; each is looked at, none is assumed."""

import base64
import contextlib
import email
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.audit.findings import Auditor, Finding
from gateway.demo.answers import Answers
from gateway.demo.auditing import POLICY_NAME, Audited
from gateway.demo.cast import Reader
from gateway.demo.events import CANARIES
from gateway.demo.messages import FAMILY_NAME
from gateway.demo.stage import PUBLIC_URL, Stage, messages_of
from gateway.disclosure_log import proof
from gateway.disclosure_log.canonical import canonical_json
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.disclosure_log.fsck import check_log
from gateway.disclosure_log.merkle import leaf_hash
from gateway.disclosure_log.problem import BadCheckpoint, BadProof
from gateway.disclosure_log.sources import DirectorySource
from gateway.disclosure_log.trust_policy import TrustPolicy
from gateway.instance import VKEY_NAME, verifiers_of
from gateway.model.ids import AlertId
from gateway.model.reference import reference
from gateway.store.place import place_of
from keys.problem import KeyProblem
from keys.seal import open_sealed

EXPECTED_TOLD = frozenset(
    {"police-ppu", "probation", "mappa", "in-reach", "cmht", "gp", "children", "housing"}
)
EXPECTED_AT_LARGE = frozenset({"police-ppu", "probation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One claim, and whether it held."""

    claim: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One sealed alert as its recipient read it with their own key."""

    recipient: str
    finding: Finding
    alert: Mapping[str, Any]
    genuine: bool  # the entry inside is the logged one and its digest ties it to the content


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """The story's end, as the log, the servers and the recipients' keys tell it."""

    findings: Sequence[Finding]
    collections: Mapping[str, str]  # event ref -> kind
    refusals: Sequence[Mapping[str, Any]]
    opened: Sequence[Opened]
    texts: Sequence[str]
    checkpoint: str
    checks: Sequence[Check] = field(default_factory=tuple)


def look(stage: Stage, accepted: bool, answers: Answers, audited: Audited) -> Aftermath:
    """Gather what happened and check every claim. Reads the instance's files and the servers."""
    vkey = (stage.folder / VKEY_NAME).read_text("utf-8").strip()
    with Auditor.open(place_of(stage.config), vkey) as auditor:
        findings = auditor.findings()
        collections = {one["event"]: one["kind"] for one in auditor.entries("collection")}
        refusals = auditor.entries("refusal")
        checkpoint = auditor.latest_checkpoint()
    opened = [one for name in stage.readers for one in _opened(stage, name, findings)]
    aftermath = Aftermath(
        findings=findings,
        collections=collections,
        refusals=refusals,
        opened=opened,
        texts=[text.body for text in stage.notify.texts],
        checkpoint=checkpoint,
    )
    with contextlib.closing(DirectorySource(stage.folder)) as source:
        report = check_log(source, verifier=VerifierKey.parse(vkey))
    checks = [
        Check(claim="every signed post was accepted", held=accepted),
        Check(claim="the whole log verifies", held=report.verdict == "ok"),
        *_checks(stage, aftermath),
        *_answered(stage, answers),
        *_audited(stage, aftermath, audited),
    ]
    return Aftermath(
        findings=findings,
        collections=collections,
        refusals=refusals,
        opened=opened,
        texts=aftermath.texts,
        checkpoint=checkpoint,
        checks=checks,
    )


def _checks(stage: Stage, seen: Aftermath) -> Iterator[Check]:
    for kind in ("release.planned", "release.actual"):
        yield Check(
            claim=f"{kind}: told exactly those who must know",
            held=_told(seen, kind, "NOTIFY", "UPDATE") == EXPECTED_TOLD,
        )
    yield Check(
        claim="the corrected address reached exactly those told the wrong one",
        held=_told(seen, "release.planned", "CORRECTION") == EXPECTED_TOLD,
    )
    kinds = {_kind(seen, one) for one in seen.findings}
    yield Check(
        claim="an abscond was told as an abscond; death and merge were no release",
        held=_told(seen, "custody.escaped", "NOTIFY") == EXPECTED_AT_LARGE
        and kinds <= {"release.planned", "release.actual", "custody.escaped"},
    )
    yield Check(
        claim="the hostel without designation got nothing, and the log says why",
        held=not stage.hooks["hostel"].received and _hostel_refused(seen),
    )
    yield Check(
        claim="every alert was delivered",
        held=bool(seen.findings) and all(one.state == "accepted" for one in seen.findings),
    )
    yield Check(
        claim="every alert's inclusion proof verifies", held=all(o.verified for o in seen.findings)
    )
    sealed = [one for one in seen.findings if one.entry["form"] == "sealed"]
    yield Check(
        claim="every sealed alert opened with its recipient's own key and ties to its entry",
        held=len(seen.opened) == len(sealed) and all(one.genuine for one in seen.opened),
    )
    yield Check(claim="no alert opened with another recipient's key", held=_only_own(stage))
    yield Check(
        claim="each recipient read exactly the groups the log names",
        held=all(set(o.alert["facts"]) == _groups(o.finding) for o in seen.opened),
    )
    yield Check(
        claim="who asked for a form of its own found it in every alert, and no fact but theirs",
        held=_own_forms(stage, seen),
    )
    yield Check(
        claim="texts carry a reference, a link that opens nothing by itself, and nothing else",
        held=_pointers_only(seen),
    )
    yield Check(claim="the GP's mail is a notice without content", held=_notice_only(stage))
    yield Check(claim="no personal data in any file or message", held=not list(_leaks(stage)))


def _answered(stage: Stage, answers: Answers) -> Iterator[Check]:
    yield Check(
        claim="a desk answered with the token that travels inside the seal alone",
        held=answers.acknowledged == "acknowledged",
    )
    yield Check(
        claim="the practice's link shows nothing; with a code it is read, once, and logged",
        held=FAMILY_NAME not in answers.page
        and FAMILY_NAME in answers.read
        and FAMILY_NAME not in answers.again
        and _readings(stage) == 1,
    )


def _audited(stage: Stage, seen: Aftermath, audited: Audited) -> Iterator[Check]:
    names = [column.name for column in audited.answer.columns]
    told = {row[names.index("recipient")] for row in audited.answer.rows}
    yield Check(
        claim="an officer asks who knows: exactly those told, and the question is in the log",
        held=told == {one.entry["recipient"] for one in seen.findings}
        and _asked(stage, "audit.who-knows") == 1,
    )
    yield Check(
        claim="the evidence pack proves every entry to somebody who has the log's key alone",
        held=bool(audited.checked.holding) and not audited.checked.failing,
    )
    yield Check(
        claim="an independent witness cosigned the log, and the proof of an alert says so",
        held=_witnessed(stage, audited),
    )


def _witnessed(stage: Stage, audited: Audited) -> bool:
    policy = TrustPolicy.parse((stage.folder / POLICY_NAME).read_bytes())
    entry = canonical_json(dict(audited.last.entry))
    try:
        found = proof.verify(
            audited.proof, entry=entry, verifiers=verifiers_of(stage.config), policy=policy
        )
    except (BadProof, BadCheckpoint):
        return False
    return found.index == audited.last.leaf_index


def _asked(stage: Stage, what: str) -> int:
    return sum(one["what"] == what for one in _consultations(stage))


def _readings(stage: Stage) -> int:
    """Return how often the log says that an alert was read at its page."""
    return sum(one.get("means") in {"totp", "passkey"} for one in _consultations(stage))


def _consultations(stage: Stage) -> list[dict[str, Any]]:
    vkey = (stage.folder / VKEY_NAME).read_text("utf-8").strip()
    with Auditor.open(place_of(stage.config), vkey) as auditor:
        return auditor.entries("consultation")


def _told(seen: Aftermath, kind: str, *messages: str) -> set[str]:
    """Return who was told of a kind of event, by these kinds of message."""
    return {
        one.entry["recipient"]
        for one in seen.findings
        if _kind(seen, one) == kind and one.entry["message"] in messages
    }


def _opened(stage: Stage, name: str, findings: Sequence[Finding]) -> Iterator[Opened]:
    reader = stage.readers[name]
    by_alert = {one.alert: one for one in findings if one.entry["form"] == "sealed"}
    for blob in _blobs(stage, name):
        content = orjson.loads(open_sealed(blob, reader.private or b""))
        finding = by_alert[AlertId(content["alert"]["message_id"])]
        yield Opened(
            recipient=name,
            finding=finding,
            alert=content["alert"],
            genuine=_genuine(content, finding),
        )


def _genuine(content: Mapping[str, Any], finding: Finding) -> bool:
    logged = base64.b64decode(content["entry"])
    key = base64.b64decode(content["digest_key"])
    mac = hmac.new(key, canonical_json(content["alert"]), hashlib.sha256).hexdigest()
    same = leaf_hash(logged) == leaf_hash(canonical_json(dict(finding.entry)))
    return same and hmac.compare_digest(mac, finding.entry["payload_mac"])


def _blobs(stage: Stage, name: str) -> list[bytes]:
    """Return what reached a recipient's systems and should open with their key."""
    if stage.readers[name].private is None:
        return []
    return [blob for blob, _suffix in messages_of(stage, name)]


def _only_own(stage: Stage) -> bool:
    holders: list[Reader] = [one for one in stage.readers.values() if one.private]
    for name in stage.readers:
        for blob in _blobs(stage, name)[:1]:
            for other in holders:
                if other.recipient.id != name and _opens(blob, other.private or b""):
                    return False
    return True


def _opens(blob: bytes, private: bytes) -> bool:
    try:
        open_sealed(blob, private)
    except KeyProblem:
        return False
    return True


def _own_forms(stage: Stage, seen: Aftermath) -> bool:
    """Look for each form asked for, and in it for facts that its reader was not told."""
    told = [one for one in seen.opened if stage.readers[one.recipient].recipient.renditions]
    for one in told:
        made = {form["form"]: base64.b64decode(form["body"]) for form in one.alert["renditions"]}
        if set(made) != set(stage.readers[one.recipient].recipient.renditions):
            return False
        facts = orjson.dumps(one.alert["facts"])
        for canary in CANARIES:
            mark = canary.encode()
            if mark not in facts and any(mark in body for body in made.values()):
                return False
    return bool(told)


def _pointers_only(seen: Aftermath) -> bool:
    sent = [one for one in seen.findings if one.entry["channel"] == "sms"]
    expected = [
        re.compile(
            rf"Throughgate: message {reference(one.alert)} is waiting\. Read it at"
            rf" {PUBLIC_URL}/pick-up/{one.alert}/[A-Za-z0-9_-]{{22}}"
        )
        for one in sent
    ]
    known = all(any(one.fullmatch(text) for one in expected) for text in seen.texts)
    return bool(sent) and known and len(set(seen.texts)) == len(sent)


def _notice_only(stage: Stage) -> bool:
    mails = [mail for mail, _suffix in messages_of(stage, "gp")]
    texts = [email.message_from_bytes(mail).get_payload(decode=True) for mail in mails]
    return bool(texts) and all(b"It is not in this email." in text for text in texts)


def _leaks(stage: Stage) -> Iterator[str]:
    """Yield where a canary appears in plain sight: files of the instance, and what was sent."""
    wires = [one.body for hook in stage.hooks.values() for one in hook.received]
    wires += [one.content for one in stage.mail.messages]
    wires += [one.body.encode() for one in stage.notify.texts]
    files = [path for path in stage.folder.rglob("*") if path.is_file()]
    for canary in CANARIES:
        mark = canary.encode()
        if any(mark in wire for wire in wires):
            yield "wire"
        yield from (path.name for path in files if mark in path.read_bytes())


def _hostel_refused(seen: Aftermath) -> bool:
    return any(
        refusal["recipient"] == "hostel"
        and any("associate" in code or "LB01" in code for code in _codes(refusal))
        for refusal in seen.refusals
    )


def _codes(refusal: Mapping[str, Any]) -> list[str]:
    return [str(reason["code"]) for reason in refusal["reasons"]]


def _kind(seen: Aftermath, finding: Finding) -> str:
    return seen.collections[finding.entry["event"]]


def _groups(finding: Finding) -> set[str]:
    return {
        member.partition(".")[0] for grant in finding.entry["grants"] for member in grant["members"]
    }
