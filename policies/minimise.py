"""Minimise by selection: the permitted members are copied, the rest is never touched."""

from gateway.model.decision import Permit, View
from gateway.model.person import Person
from gateway.model.strict_json import JsonObject


def select(person: Person, permit: Permit) -> View:
    """Return what a permit lets its recipient see of these facts.

    A group comes with its provenance members (DPA 2018 s.38): nobody can judge a fact without.
    They are those of the newest statement among what is shown.
    A permitted member no longer held is left out, and a group left with none with it.
    Source: DPA 2018 s.37. Pure; the values are shared with `person`, not copied.
    """
    chosen: dict[str, JsonObject] = {}
    for name, permitted in permit.by_group.items():
        stated = person.facts.get(name)
        if stated is None:
            continue
        held = stated.members
        shown = {one: held[one] for one in permitted if held.get(one) is not None}
        if shown:
            shown.update(stated.provenance_of(shown))
            chosen[name] = shown
    return View(groups=chosen)
