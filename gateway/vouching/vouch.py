"""Ask whether one recipient's certificate may be relied on, and until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gateway.model.party import Endpoint, RecipientKey
from gateway.vouching.fetch import RevocationFetcher
from keys.chain import Unverified, Verified, questions, verify_chain
from keys.problem import BadKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """Whom certificates may rest on."""

    pem: str  # certificates trusted as they are
    revocation: Literal["required", "when-stated", "none"]
    stale_after: timedelta  # no older word of an issuer is believed


async def vouch(
    endpoint: Endpoint,
    key: RecipientKey,
    anchors: Anchors,
    fetcher: RevocationFetcher,
    now: datetime,
) -> Verified | Unverified:
    """Fetch what the issuers say now, and judge the certificate by it. Never raises."""
    lists, answers = await _sources(key, anchors, fetcher, now)
    return verify_chain(
        key.public,
        anchors.pem,
        address=endpoint.address,
        at=now,
        crls=lists,
        ocsp=answers,
        revocation=anchors.revocation,
        stale_after=anchors.stale_after,
    )


async def _sources(
    key: RecipientKey, anchors: Anchors, fetcher: RevocationFetcher, now: datetime
) -> tuple[list[bytes], list[bytes]]:
    if anchors.revocation == "none":
        return [], []
    try:
        asked = questions(key.public, anchors.pem, at=now)
    except BadKey:
        return [], []  # `verify_chain` says what is wrong with them
    lists = dict.fromkeys(url for one in asked for url in one.crl_urls)
    answers = [(url, one.ocsp_request) for one in asked for url in one.ocsp_urls]
    return await fetcher.lists(list(lists)), await fetcher.answers(answers)
