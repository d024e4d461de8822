"""`policy explain`: who would be told of an event, who not, and why. Nothing is sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import typer

from gateway import clock
from gateway.adoption import law_in_force
from gateway.cli.beside import commit, opened, reader
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.cli.policy import say_json
from gateway.config import Config, load_config
from gateway.directory import Directory
from gateway.instance import rulebook_texts, sealed_store
from gateway.model.decision import Grant, Permit, Proposal, Reason, Refusal
from gateway.model.event import CanonicalEvent, parse_cloudevent
from gateway.model.ids import PersonRef, RecipientId
from gateway.model.person import Person
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import Json, JsonObject, read_json
from gateway.people import matching_identifiers
from gateway.rehearsal.rehearse import Rehearsed, rehearse_alone, rehearse_at
from gateway.store.consultation import Asked, Seen, logged
from gateway.store.engine import Connection
from gateway.store.history import alerts_about, standing
from gateway.store.people import find
from gateway.store.sealed import SealedStore, open_facts
from policies.explain import explain as sentences
from policies.rulebook import Rulebook, load_rulebook

_DEFAULT: Final = Path("throughgate.toml")
_MAX_EVENT: Final = 256 * 1024
NOTHING_SENT: Final = "Nothing was sent, and nothing was logged as a disclosure."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explained:
    """What was decided, on what footing, and by which rulebook."""

    footing: str
    found: list[Rehearsed]
    rulebook: Rulebook


def explain(
    file: Path,
    *,
    recipient: str | None,
    sender: str | None,
    config_file: Path | None,
    by: str | None = None,
    as_json: bool,
) -> int:
    """Say in plain words who would be told of one event. With --recipient, 1 if they are not."""
    try:
        stated = parse_cloudevent(read_json(read_file(file, _MAX_EVENT)))
    except MalformedEvent as error:
        for problem in error.problems:
            typer.echo(f"refused: {problem}", err=True)
        return NO
    if config_file is None and _DEFAULT.exists():
        config_file = _DEFAULT
    explained = (
        _at_instance(stated, load_config(config_file), sender, recipient, by)
        if config_file
        else _alone(stated, sender)
    )
    found = [one for one in explained.found if recipient in (None, one.recipient.id)]
    if recipient is not None and not found:
        raise Trouble("--recipient: nobody of that id was decided for")
    if as_json:
        say_json(_as_json(stated, explained, found))
    else:
        _say(stated, explained, found)
    return NO if recipient is not None and not found[0].told else OK


def _alone(stated: CanonicalEvent, sender: str | None) -> _Explained:
    rulebook = load_rulebook(rulebook_texts(None))
    _known_class(sender, rulebook)
    now = clock.now()
    taken, found = rehearse_alone(
        stated, rulebook, sender_class=sender, now=now, today=clock.day(now)
    )
    footing = (
        f"taken as posted by a {rulebook.catalogues.title_of(taken)}, on the event's own facts, for"
        " one model recipient of every role"
    )
    return _Explained(footing=footing, found=found, rulebook=rulebook)


def _known_class(sender: str | None, rulebook: Rulebook) -> None:
    classes = rulebook.catalogues.organisations
    if sender is not None and sender not in classes:
        raise Trouble(f"--sender: not one of {', '.join(sorted(classes))}")


def _at_instance(
    stated: CanonicalEvent,
    config: Config,
    sender: str | None,
    only: str | None,
    by: str | None,
) -> _Explained:
    if sender is not None:
        raise Trouble("--sender: the instance knows its agencies; leave it out")
    sealed = sealed_store(config)
    now = clock.now()
    today = clock.day(now)
    with opened(config) as connection:
        rulebook = law_in_force(config, connection).law.rulebook
        directory = Directory(connection, rulebook.catalogues)
        agency = directory.find_agency(stated.source)
        if agency is None:
            raise Trouble("no agency of this instance has the event's source", NO)
        if only is not None and RecipientId(only) not in directory.recipients:
            raise Trouble("--recipient: nobody of that id is in the directory")
        ref = _known_person(connection, sealed, stated, today)
        seen = Seen(result=None, shown=1 if ref else 0, person=ref)
        commit(config, logged(Asked(what="record", reader=reader(by)), seen, now))
        found = rehearse_at(
            stated,
            _person(connection, sealed, ref) if ref else None,
            agency=agency.name,
            recipients=directory.recipients.values(),
            only=RecipientId(only) if only else None,
            rulebook=rulebook,
            classes=directory.classes,
            told=_told_before(connection, ref) if ref else frozenset(),
            now=now,
            today=today,
        )
    known = "with what is known of the person" if ref else "about nobody known, on its own facts"
    return _Explained(
        footing=f"as agency {agency.name} would post it, {known}", found=found, rulebook=rulebook
    )


def _known_person(
    connection: Connection, sealed: SealedStore, stated: CanonicalEvent, today: date
) -> PersonRef | None:
    """Return whom the event is about; None if nobody known, or if its identifiers disagree."""
    numbers = matching_identifiers(stated.groups, today=today)
    named = {find(connection, sealed, kind, text) for kind, text in numbers.items()} - {None}
    return named.pop() if len(named) == 1 else None


def _person(connection: Connection, sealed: SealedStore, ref: PersonRef) -> Person:
    wrapped, facts = connection.execute(
        "SELECT wrapped_key, facts FROM person WHERE ref = ?", (ref,)
    ).get
    return open_facts(sealed.data_key(ref, wrapped), ref, facts)


def _told_before(connection: Connection, ref: PersonRef) -> frozenset[RecipientId]:
    return frozenset(alert.recipient for alert in standing(alerts_about(connection, ref)))


def _say(stated: CanonicalEvent, explained: _Explained, found: Sequence[Rehearsed]) -> None:
    typer.echo(f"{stated.kind}, {explained.footing}.\n{NOTHING_SENT}\n")
    for one in sorted(found, key=lambda one: not one.told):
        typer.echo(sentences(one.decision, one.recipient, explained.rulebook) + "\n")
    told = [one.recipient.id for one in found if one.told]
    human = [one.recipient.id for one in found if one.decision.proposals]
    typer.echo(f"Told: {', '.join(told) or 'nobody'}.")
    typer.echo(f"Not told: {len(found) - len(told)} of {len(found)}.")
    if human:
        typer.echo(f"A named person could decide more for: {', '.join(human)}.")
    if stated.kind not in explained.rulebook.kinds:
        typer.echo("No rule tells anyone of this kind of event.")
    elif not found:
        typer.echo("No recipient serves the person's areas or is named by the record.")


def _as_json(
    stated: CanonicalEvent, explained: _Explained, found: Iterable[Rehearsed]
) -> JsonObject:
    return {
        "kind": stated.kind,
        "footing": explained.footing,
        "rulebook": explained.rulebook.digest,
        "decisions": [_decision(one, explained.rulebook) for one in found],
    }


def _decision(one: Rehearsed, rulebook: Rulebook) -> JsonObject:
    decision = one.decision
    permit = decision if isinstance(decision, Permit) else None
    reasons = decision.reasons if isinstance(decision, Refusal) else ()
    return {
        "recipient": one.recipient.id,
        "role": one.recipient.role,
        "told": one.told,
        "for": ("action" if permit.for_action else "information") if permit else None,
        "grants": [_grant(grant) for grant in permit.grants] if permit else [],
        "withheld": [
            {"group": held.group, **_reason(held.reason)}
            for held in (permit.withheld if permit else ())
        ],
        "reasons": [_reason(reason) for reason in reasons],
        "proposals": [_proposal(proposal) for proposal in decision.proposals],
        "text": sentences(decision, one.recipient, rulebook),
    }


def _grant(grant: Grant) -> Json:
    return {
        "rule": grant.rule,
        "basis": grant.basis,
        "citation": grant.citation,
        "regime": grant.regime,
        "purpose": grant.purpose,
        "members": list[Json](grant.members),
    }


def _reason(reason: Reason) -> dict[str, Json]:
    return {"code": reason.code, "text": reason.text, "rule": reason.rule}


def _proposal(proposal: Proposal) -> Json:
    return {
        "rule": proposal.rule,
        "basis": proposal.basis,
        "decided_by": proposal.decided_by,
        "members": list[Json](proposal.members),
    }
