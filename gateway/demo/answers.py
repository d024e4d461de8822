"""The last part of the story: a desk answers, and the practice reads at the page what its mail only
announced."""

import base64
import email
import os
import re
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
import orjson
import pyotp

from gateway import clock
from gateway.demo.stage import PUBLIC_URL, Stage, messages_of
from gateway.instance import commit_one, sealed_store
from gateway.model.ids import RecipientId
from gateway.second_factor import TOTP_SECRET_BYTES
from gateway.store import second_factors
from keys.seal import open_sealed

POLICE = "police-ppu"
PRACTICE = "gp"
_LINK = re.compile(rf"{re.escape(PUBLIC_URL)}(/pick-up/\S+)")
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What came of answering and collecting, as the gateway's own answers tell it."""

    acknowledged: str  # where the police's alert stands once they answered
    page: str  # what the link shows to whoever opens it
    read: str  # what the practice read, once it gave a code
    again: str  # what the same link and code gave the second time


async def answer_and_collect(stage: Stage) -> Answers:
    """Answer one alert with the token inside its seal; collect another with an app's code."""
    async with aiohttp.ClientSession() as session:
        acknowledged = await _acknowledge(stage, session)
        page, read, again = await _collect(stage, session)
    return Answers(acknowledged=acknowledged, page=page, read=read, again=again)


async def _acknowledge(stage: Stage, session: aiohttp.ClientSession) -> str:
    blob, _suffix = messages_of(stage, POLICE)[0]
    inside = orjson.loads(open_sealed(blob, stage.readers[POLICE].private or b""))["answer"]
    async with session.post(
        inside["api"].replace(PUBLIC_URL, stage.url),
        headers={"Authorization": f"Bearer {inside['token']}", "Content-Type": "application/json"},
        data=orjson.dumps({"answer": "acknowledged", "by": "PPU-EXAMPLE"}),
    ) as response:
        return str(orjson.loads(await response.read()).get("state"))


async def _collect(stage: Stage, session: aiohttp.ClientSession) -> tuple[str, str, str]:
    secret = await _enrol(stage)
    mail, _suffix = messages_of(stage, PRACTICE)[0]
    text = email.message_from_bytes(mail).get_payload(decode=True)
    found = _LINK.search(text.decode() if isinstance(text, bytes) else "")
    url = stage.url + (found[1] if found else "/")
    async with session.get(url) as response:
        page = await response.text()
    pages = []
    for _ in range(2):
        code = pyotp.TOTP(secret).at(clock.now())
        async with session.post(url, data=urlencode({"code": code}), headers=_FORM) as response:
            pages.append(await response.text())
    return page, pages[0], pages[1]


async def _enrol(stage: Stage) -> str:
    """Enrol an authenticator app for the practice, as an operator would; return its secret."""
    raw = os.urandom(TOTP_SECRET_BYTES)
    id_ = clock.new_id("fac")
    sealed = sealed_store(stage.config)
    unit = second_factors.add_totp(
        id_,
        RecipientId(PRACTICE),
        second_factors.seal_secret(second_factors.factor_key(sealed), id_, raw),
        by="demonstration",
        now=clock.now(),
    )
    await commit_one(stage.config, unit)
    return base64.b32encode(raw).decode()
