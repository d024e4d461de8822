"""How a recipient's areas, the person's areas and the prison can lie to each other.

Areas and the prison are free words, yet there are finitely many cases. A condition can ask only
whether these sets are empty, overlap, include or equal each other, and whether they hold the
prison or a word the rulebook spells out. So it is enough to have one nameless area in each of
three places (theirs and ours, ours alone, theirs alone), there or not; and the prison, and each
word spelt out, in each of four. Cedar cannot count, nor name a word that it does not spell out:
no two cases that a condition could tell apart fall together here.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Final, TypeAlias

from policies.proof.condition import BeyondProof
from policies.proof.variable import Choice, Variable

PLACES: Final = frozenset({"principal.areas", "resource.areas", "resource.prison"})
MOST_WORDS: Final = 3  # that a rulebook may spell out before the proof gives up

_Place: TypeAlias = tuple[bool, bool]  # among the recipient's areas, among the person's
_NOWHERE: Final[_Place] = (False, False)
_EVERY: Final[tuple[_Place, ...]] = (_NOWHERE, (True, True), (True, False), (False, True))
_NAMELESS: Final = (("shared", (True, True)), ("ours", (True, False)), ("theirs", (False, True)))
_PRISON: Final = "the prison"


def whereabouts(words: Iterable[str]) -> Variable:
    """Return the variable of all three attributes.

    Args:
        words: Every string the rulebook compares one of them with.

    Raises:
        BeyondProof: more than `MOST_WORDS` of them.

    Pure.
    """
    named = sorted({word for word in words if word})
    if len(named) > MOST_WORDS:
        raise BeyondProof(f"the rulebook spells out more than {MOST_WORDS} areas")
    return Variable(name="whereabouts", choices=tuple(_cases(named)))


def _cases(named: Sequence[str]) -> Iterator[Choice]:
    prisons = [
        ("", _NOWHERE),
        *((_PRISON, at) for at in _EVERY),
        *((one, _NOWHERE) for one in named),
    ]
    for present in product((True, False), repeat=len(_NAMELESS)):
        nameless = [area for area, there in zip(_NAMELESS, present, strict=True) if there]
        for places in product(_EVERY, repeat=len(named)):
            spelt_out = list(zip(named, places, strict=True))
            for prison, at in prisons:
                yield _case([*nameless, *spelt_out, (prison, at)], prison)


def _case(areas: Sequence[tuple[str, _Place]], prison: str) -> Choice:
    ours = frozenset(area for area, (is_ours, _) in areas if is_ours)
    theirs = frozenset(area for area, (_, is_theirs) in areas if is_theirs)
    plain = ours == theirs == {"shared"} and not prison
    return Choice(
        reads={"principal.areas": ours, "resource.areas": theirs, "resource.prison": prison},
        words="" if plain else ", ".join(_said(ours, theirs, prison)),
        plain=plain,
    )


def _said(ours: frozenset[str], theirs: frozenset[str], prison: str) -> Iterator[str]:
    if not theirs:
        yield "the person's area is not known"
    if not ours:
        yield "the recipient serves every area"
    elif theirs:
        yield "the recipient serves the person's area" if ours & theirs else "serves other areas"
    if prison:
        yield "serves the prison" if prison in ours else "does not serve the prison"
