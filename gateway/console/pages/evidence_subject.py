"""Subject access as a form: the person's copy or the file's, and what is kept from the person.

Source: DPA 2018 s.45(2)(c), s.45(4) (grounds), s.45(5) and (6) (neither confirming nor denying),
s.45(7) (the record of reasons).
"""

from collections.abc import Mapping
from typing import Final

from gateway.audit.answer import Answer
from gateway.audit.asking import NOBODY, Asking, Question
from gateway.audit.scope import Scope
from gateway.audit.subject_access import Ground, disclosures_of, facts_held, restrictions
from gateway.console.own import ConsoleOwn
from gateway.console.pages.forms import Reading
from gateway.console.pages.persons import named
from gateway.console.pages.scoping import covers_person
from gateway.model.ids import AlertId, PersonRef
from gateway.model.reference import read_reference
from gateway.store import merges

FIELDS: Final = ("person", "copy", *(f"restrict-{one}" for one in Ground), "decided")
COPIES: Final[Mapping[str, str]] = {
    "file": "For the file, with what is kept from the person and why (s.45(7))",
    "person": "A letter to the person themselves",
}
GROUNDS: Final[Mapping[str, str]] = {one.value: one.words for one in Ground}
UNSEEN: Final = "Nobody you can see has that reference or identifier"
_MOST: Final = 2000  # characters of one ground's alerts
_FORMS: Final = "SELECT id FROM alert WHERE (id = ?1 OR substr(id, -12) = ?1) AND person IN ({})"


def pose(own: ConsoleOwn, scope: Scope, reading: Reading) -> Question | None:
    """Return the question a form asks, or None: problems are noted.

    The letter to somebody nobody knows is made all the same: it is the one that neither confirms
    nor denies.
    """
    copy = reading.text("copy") or "file"
    if copy not in COPIES:
        reading.wrong("copy", "Choose whom the copy is for")
    letter = copy == "person"
    typed = reading.needed("person", "Enter a reference or an identifier")
    person = named(own, typed) if typed else None
    if person is not None and not covers_person(own, scope, person):
        person = None
    if typed and person is None and not letter:
        reading.wrong("person", UNSEEN)
    kept = _restricted(own, reading, person)
    decided = reading.text("decided") == "yes"
    if reading.problems:
        return None

    def ask(asking: Asking) -> Answer:
        held = facts_held(asking, person, decided=decided) if letter and person else None
        return disclosures_of(
            asking, person, sar=letter, restrict=kept, facts=held, decided=decided
        )

    about = restrictions(kept) | {"copy": "person" if letter else "file"}
    return Question(code="subject-access", ask=ask, person=person or NOBODY, about=about)


def _restricted(
    own: ConsoleOwn, reading: Reading, person: PersonRef | None
) -> dict[AlertId, Ground]:
    found: dict[AlertId, Ground] = {}
    for ground in Ground:
        name = f"restrict-{ground}"
        for line, typed in enumerate(reading.text(name, most=_MOST).split(), 1):
            alert = _alert(own, typed, person)
            if alert is None:
                reading.wrong(name, f"The person was not told of in alert {line} of this list")
            elif alert in found:
                reading.wrong(name, f"Alert {line} of this list is in another list too")
            else:
                found[alert] = ground
    return found


def _alert(own: ConsoleOwn, typed: str, person: PersonRef | None) -> AlertId | None:
    """Return an alert about a person, by its id or the reference that notices print."""
    if person is None:
        return None
    records = merges.records(own.store.reader, person)
    wanted = typed if typed.startswith("alt_") else (read_reference(typed) or "").lower()
    sql = _FORMS.format(", ".join("?" * len(records)))
    row = own.store.reader.execute(sql, (wanted, *records)).fetchone()
    return None if row is None else AlertId(row[0])
