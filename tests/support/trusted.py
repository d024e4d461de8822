"""Recipient keys as the directory holds them once their fingerprint was confirmed."""

import datetime as dt
from typing import Literal

from gateway.model.keyring import HeldKey, confirmed
from keys.seal import recipient_key

LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def trusted(form: Literal["hpke", "jwe", "cms"], public: str) -> tuple[HeldKey, ...]:
    return (confirmed(recipient_key(form, public), at=LONG_AGO, by="DPO-EXAMPLE"),)
