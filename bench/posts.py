"""What both sides are sent: canonical events, each about a person of its own, signed beforehand."""

import datetime as dt
from collections.abc import Sequence
from itertools import product
from string import ascii_uppercase
from typing import Final

import orjson

from bench.driver import Post
from bench.wire import post
from gateway.cli.post import signed_headers
from gateway.demo.cast import AREA
from gateway.model.ids import AgencyName
from gateway.model.kinds import type_of
from gateway.model.party import Agency
from keys.signing import SigningKey

AGENCY: Final = "hmp-exampleton"
URN: Final = f"urn:example:{AGENCY}"

_EARLIEST_BIRTH: Final = dt.date(1950, 1, 1)
_LETTERS: Final = tuple(f"{first}{second}" for first, second in product(ascii_uppercase, repeat=2))


def poster(key: SigningKey) -> Agency:
    """Return the agency all posts are from."""
    return Agency(
        name=AgencyName(AGENCY),
        urn=URN,
        organisation_class="prison",
        public_keys=(key.public_text,),
    )


def make_posts(
    first: int, count: int, key: SigningKey, *, kind: str = "release.planned"
) -> Sequence[Post]:
    """Return signed requests, good for 300 s. Reads the clock.

    Args:
        first: Number of the first; with `count` at most 6,760,000. Each number is another
            synthetic person.
        count: How many.
        key: The agency's.
        kind: Of every event.
    """
    now = dt.datetime.now(dt.UTC)
    return [_post(number, key, now, kind) for number in range(first, first + count)]


def _post(number: int, key: SigningKey, now: dt.datetime, kind: str) -> Post:
    id_ = f"bench-{number}"
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": URN,
        "type": type_of(kind),
        "time": now.isoformat(),
        "datacontenttype": "application/json",
        "data": _facts(number, now),
    }
    body = orjson.dumps(event)
    return Post(id=id_, wire=post("/v1/events", signed_headers(AGENCY, key, body), body))


def _facts(number: int, now: dt.datetime) -> dict[str, object]:
    # Far enough ahead that nothing is late: who states that would be measured besides.
    release = (now.date() + dt.timedelta(days=180)).isoformat()
    fact = {
        "assertion": "fact",
        "as_of": now.isoformat(),
        "source_system": "NOMIS",
        "verified": True,
    }
    assessment = {**fact, "assertion": "assessment", "source_system": "OASys"}
    letters, digits = divmod(number, 10_000)
    return {
        "identity": {
            "family_name": "Specimen-Quartz",
            "given_names": f"Synthetic {number}",
            "date_of_birth": (_EARLIEST_BIRTH + dt.timedelta(number % 20_000)).isoformat(),
            **fact,
        },
        "identifiers": {"noms": f"Z{digits:04}{_LETTERS[letters]}", **fact},
        "custody": {
            "prison": "EXI",
            "release_type": "SED_NO_LICENCE",
            "planned_date": release,
            "sentence_expiry_date": release,
            "licence": False,
            **fact,
        },
        "mappa": {"category": 2, "level": 3, **fact},
        "rosh": {"overall": "very_high", "public": "high", "staff": "medium", **assessment},
        "location": {"home_area": AREA, "address_status": "CONFIRMED", **fact},
    }
