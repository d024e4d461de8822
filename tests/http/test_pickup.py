"""The pick-up page over a real socket: what opens it, what never does, what it leaves behind."""

import asyncio
import datetime as dt
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.pick_up import PickUpConfig
from gateway.model.ids import AlertId, EndpointId
from gateway.model.reference import reference
from gateway.store import pick_ups
from gateway.store.pick_ups import MAX_FAILURES
from tests import canaries
from tests.http.pick_up_stage import (
    PERSON,
    WRONG_AFTER_S,
    Stage,
    email,
    stage,
    variant,
    without_challenge,
)

NEVER = AlertId("alt_00000000000070008000000000000099")


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        await made.enrol()
        yield made


async def every_link(staged: Stage) -> dict[str, str]:
    """Return a link of every kind there is, by what is the matter with it."""
    valid = await staged.alert()
    used = await staged.alert()
    assert (await staged.post(staged.path(used), code=staged.code()))[0] == 200
    recalled = await staged.alert()
    await staged.change("UPDATE alert SET recalled = 1 WHERE id = ?", recalled)
    withheld = await staged.alert(state="withheld")
    waiting = await staged.alert(state="waiting")
    anew = await staged.alert()
    await staged.change("UPDATE outbox SET link_issue = 1 WHERE alert = ?", anew)
    expired = await staged.alert()
    await staged.change("UPDATE outbox SET decided_at = 0, settled_at = 0 WHERE alert = ?", expired)
    future = await staged.alert()
    later = int((time.time() + 3600) * 1000)
    await staged.change("UPDATE outbox SET decided_at = ? WHERE alert = ?", later, future)
    erased = await staged.alert()
    await staged.change("UPDATE alert SET held = NULL WHERE id = ?", erased)
    closed = await staged.alert()
    await staged.change("UPDATE outbox SET link_failures = 5 WHERE alert = ?", closed)
    system = await staged.alert(form="sealed")
    token = staged.path(valid).rpartition("/")[2]
    return {
        "valid": staged.path(valid),
        "used": staged.path(used),
        "recalled": staged.path(recalled),
        "withheld": staged.path(withheld),
        "not sent yet": staged.path(waiting),
        "given anew": staged.path(anew),
        "expired": staged.path(expired),
        "of the future": staged.path(future),
        "erased": staged.path(erased),
        "closed": staged.path(closed),
        "for a system": staged.path(system),
        "nobody enrolled": staged.path(await staged.alert(to="other"), "other"),
        "other recipient's": staged.path(valid, "other"),
        "guessed": f"/pick-up/{valid}/{'A' * 22}",
        "other alert's": f"/pick-up/{used}/{token}",
        "never issued": f"/pick-up/{NEVER}/{token}",
        "malformed": "/pick-up/%27%20OR%201=1/..%00",
        "long": f"/pick-up/{'a' * 2000}/{'b' * 2000}",
    }


async def test_a_get_shows_the_same_page_whatever_the_link(staged: Stage) -> None:
    answers: dict[tuple[str, str], tuple[int, str, dict[str, str]]] = {}
    for why, path in (await every_link(staged)).items():
        for method in ("GET", "HEAD"):
            status, page, headers = await staged.get(path, method)
            headers.pop("date")
            answers[why, method] = status, without_challenge(page), headers
    for method in ("GET", "HEAD"):
        of_method = [answer for (_, one), answer in answers.items() if one == method]
        assert all(answer == of_method[0] for answer in of_method)
        assert of_method[0][0] == 200
    headers = answers["valid", "GET"][2]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-robots-tag"] == "noindex, nofollow, noarchive"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "set-cookie" not in headers


async def test_a_thousand_scanners_change_nothing(staged: Stage) -> None:
    alert = await staged.alert()
    before = staged.dump()
    paths = [staged.path(alert), f"/answer/{alert}/{staged.links.answer_token(alert)}"]
    for method in ("GET", "HEAD"):
        for number in range(500):
            assert (await staged.get(paths[number % 2], method))[0] == 200
    assert staged.dump() == before
    status, page = await staged.post(paths[0], code=staged.code())
    assert status == 200
    assert canaries.NAME in page


async def test_everything_that_fails_is_one_answer(staged: Stage) -> None:
    pages: dict[str, tuple[int, str]] = {}
    links = await every_link(staged)
    staged.now.ahead += dt.timedelta(seconds=60)  # a code not used before
    for why, path in links.items():
        code = staged.code(steps=3) if why == "valid" else staged.code()
        status, page = await staged.post(path, code=code)
        pages[why] = status, without_challenge(page)
    for fields in ({}, {"code": "12345"}, {"code": "١٢٣٤٥٦"}, {"assertion": "{}"},
                   {"assertion": "[" * 5000}, {"other": "1"}):  # fmt: skip
        status, page = await staged.post(links["valid"], **fields)
        pages[str(sorted(fields.items()))[:40]] = status, without_challenge(page)
    assert {status for status, _ in pages.values()} == {403}
    assert len({page for _, page in pages.values()}) == 1


async def test_a_valid_link_and_code_show_the_alert_once_and_log_it_first(staged: Stage) -> None:
    alert = await staged.alert()
    status, page = await staged.post(staged.path(alert), code=staged.code())
    assert status == 200
    for text in (
        canaries.NAME, canaries.NOMS, "29 February 1980", "5 March 2026 at 9:30am", "Intelligence",
        "Assessment", "hmp-exampleton", "exampleshire-police", "very high", "2BC",
        "MAPPA status", "Offence and orders", "Criminal Justice Act 2003", "OFFICIAL-SENSITIVE",
        "For action", "Answer by", "Ask the originator", "1 Example Street", "5 September 2026",
    ):  # fmt: skip
        assert text in page, text
    assert "<script>alert" not in page
    (logged,) = staged.entries("consultation")
    assert logged["alert"] == alert
    assert logged["person"] == PERSON
    assert logged["recipient"] == "ppu"
    assert logged["endpoint"] == email("ppu")
    assert logged["means"] == "totp"
    assert staged.row("SELECT collected_at FROM alert WHERE id = ?", alert) is not None
    assert (
        staged.row("SELECT link_used_at FROM outbox WHERE alert = ? AND channel = 'email'", alert)
        is not None
    )
    staged.now.ahead += dt.timedelta(seconds=60)
    assert (await staged.post(staged.path(alert), code=staged.code()))[0] == 403
    assert len(staged.entries("consultation")) == 1


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("UPDATE", "Newer information"),
        ("CORRECTION", "An earlier alert was wrong"),
        ("RECALL", "It was about somebody else"),
        ("CHASE", "Nobody has answered an alert"),
        ("TEST", "This is about nobody"),
    ],
)
async def test_every_kind_of_message_has_its_page(staged: Stage, message: Any, text: str) -> None:
    earlier = await staged.alert()
    alert = await staged.alert(variant(message, earlier), message=message, supersedes=earlier)
    status, page = await staged.post(staged.path(alert), code=staged.code())
    assert status == 200
    assert text in page
    assert "Answer by" in page
    assert (canaries.NAME in page) == (message in {"UPDATE", "CORRECTION"})


async def test_two_at_once_and_one_reads(staged: Stage) -> None:
    await staged.enrol(secret=b"another-secret-of-20")
    alert = await staged.alert()
    codes = [staged.code(), staged.code(b"another-secret-of-20")] * 10
    answers = await asyncio.gather(*(staged.post(staged.path(alert), code=code) for code in codes))
    assert sorted(status for status, _ in answers) == [200] + [403] * 19
    assert len(staged.entries("consultation")) == 1


async def test_a_code_is_used_once_and_one_step_off_at_most(staged: Stage) -> None:
    for steps, status in ((2, 403), (-2, 403), (-1, 200), (-1, 403), (0, 200), (1, 200), (0, 403)):
        alert = await staged.alert()
        answer, _ = await staged.post(staged.path(alert), code=staged.code(steps=steps))
        assert answer == status, steps


async def test_wrong_codes_close_the_link_and_are_counted_one_by_one(staged: Stage) -> None:
    alert = await staged.alert()
    path = staged.path(alert)
    right = staged.code()
    wrong = f"{(int(right) + 7) % 1000000:06}"
    answers = await asyncio.gather(*(staged.post(path, code=wrong) for _ in range(40)))
    assert {status for status, _ in answers} == {403}
    failures = "SELECT link_failures FROM outbox WHERE alert = ? AND channel = 'email'"
    assert staged.row(failures, alert) == MAX_FAILURES
    staged.now.ahead += dt.timedelta(hours=2)
    assert (await staged.post(path, code=staged.code()))[0] == 403
    (closed,) = staged.entries("security")
    assert closed["code"] == "pick-up-link-closed"


async def test_a_recipient_guessed_at_over_many_links_waits_a_minute_at_most(
    staged: Stage,
) -> None:
    right = staged.code()
    wrong = f"{(int(right) + 7) % 1000000:06}"
    for _ in range(3):
        path = staged.path(await staged.alert())
        for _ in range(4):
            await staged.post(path, code=wrong)
            staged.now.ahead += dt.timedelta(seconds=1)
    alert = await staged.alert()
    assert (await staged.post(staged.path(alert), code=staged.code()))[0] == 403
    assert staged.row("SELECT max(link_failures) FROM outbox WHERE alert = ?", alert) == 0
    staged.now.ahead += dt.timedelta(seconds=61)
    assert (await staged.post(staged.path(alert), code=staged.code()))[0] == 200
    assert staged.row("SELECT count(*) FROM wrong_factor") == 0


async def test_a_slip_of_the_hand_is_no_guess(staged: Stage) -> None:
    alert = await staged.alert()
    for code in ("", "12", "abcdef", "1234567"):
        assert (await staged.post(staged.path(alert), code=code))[0] == 403
    assert staged.row("SELECT max(link_failures) FROM outbox") == 0
    code = staged.code()
    assert (await staged.post(staged.path(alert), code=f"{code[:3]} {code[3:]}"))[0] == 200


async def test_a_link_lasts_as_configured_since_it_left(tmp_path: Path) -> None:
    settings = PickUpConfig(expires_s=3600, wrong_after_s=WRONG_AFTER_S)
    async with stage(tmp_path, settings=settings) as staged:
        await staged.enrol()
        first, second = await staged.alert(), await staged.alert()
        staged.now.ahead += dt.timedelta(minutes=59)
        assert (await staged.post(staged.path(first), code=staged.code()))[0] == 200
        staged.now.ahead += dt.timedelta(minutes=2)
        assert (await staged.post(staged.path(second), code=staged.code()))[0] == 403


async def test_a_link_given_anew_makes_the_one_before_void(staged: Stage) -> None:
    alert = await staged.alert()
    await staged.change("UPDATE outbox SET link_issue = 1 WHERE alert = ?", alert)
    assert (await staged.post(staged.path(alert), code=staged.code()))[0] == 403
    assert (await staged.post(staged.path(alert, issue=1), code=staged.code()))[0] == 200


async def test_another_recipients_code_reads_nothing(staged: Stage) -> None:
    await staged.enrol("other", b"another-secret-of-20")
    alert = await staged.alert()
    code = staged.code(b"another-secret-of-20")
    assert (await staged.post(staged.path(alert), code=code))[0] == 403
    assert staged.row("SELECT max(link_failures) FROM outbox") == 1


async def test_wrong_answers_take_the_same_time(tmp_path: Path) -> None:
    """Medians of each kind lie within a few milliseconds, and none comes before its time."""
    after = 0.3
    async with stage(tmp_path, settings=PickUpConfig(wrong_after_s=after)) as staged:
        await staged.enrol()
        kinds = await every_link(staged)
        chosen = ("used", "expired", "guessed", "never issued", "recalled", "closed", "malformed")
        paths = {why: kinds[why] for why in chosen}
        taken: dict[str, list[float]] = {why: [] for why in (*paths, "wrong code")}
        staged.now.ahead += dt.timedelta(seconds=60)
        wrong = f"{(int(staged.code()) + 7) % 1000000:06}"

        async def ask(why: str, path: str) -> None:
            began = time.perf_counter()
            assert (await staged.post(path, code=wrong))[0] == 403
            taken[why].append(time.perf_counter() - began)

        for _ in range(15):
            staged.now.ahead += dt.timedelta(hours=1, seconds=1)  # no wait is due
            now = paths | {"wrong code": staged.path(await staged.alert())}
            await asyncio.gather(*(ask(why, path) for why, path in now.items()))
    assert min(min(times) for times in taken.values()) >= after * 0.98
    medians = {why: statistics.median(times) for why, times in taken.items()}
    assert max(medians.values()) - min(medians.values()) < 0.03, medians


async def test_a_read_while_its_person_is_erased_is_whole_or_nothing(staged: Stage) -> None:
    for number in range(6):
        alert = await staged.alert()
        staged.now.ahead += dt.timedelta(seconds=60)
        erase = staged.change("UPDATE alert SET held = NULL WHERE id = ?", alert)
        read = staged.post(staged.path(alert), code=staged.code())
        both = (erase, read) if number % 2 else (read, erase)
        status, page = next(one for one in await asyncio.gather(*both) if one is not None)
        assert (status == 200) == (canaries.NAME in page)
        logged = [one for one in staged.entries("consultation") if one["alert"] == alert]
        assert len(logged) == (1 if status == 200 else 0)


async def test_no_page_but_the_view_and_no_log_line_names_anybody(
    staged: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    alert = await staged.alert()
    token = staged.links.answer_token(alert)
    pages = [(await staged.get(staged.path(alert)))[1]]
    pages += [(await staged.get(f"/answer/{alert}/{token}"))[1]]
    pages += [(await staged.get("/enrol/abc"))[1]]
    pages += [(await staged.post(staged.path(alert), code="000000"))[1]]
    view = (await staged.post(staged.path(alert), code=staged.code()))[1]
    pages += [(await staged.post(f"/answer/{alert}/{token}", answer="accepted"))[1]]
    assert canaries.found_in(view)
    assert not any(canaries.found_in(page) for page in pages)
    assert not any(alert in page or PERSON in page or "ppu" in page for page in pages)
    printed = "".join(capfd.readouterr())
    for secret in (staged.path(alert), staged.path(alert).rpartition("/")[2], token, "000000"):
        assert secret not in printed
    assert not canaries.found_in(printed)


async def test_an_answer_link_shows_a_form_and_takes_one_answer(staged: Stage) -> None:
    alert = await staged.alert()
    path = f"/answer/{alert}/{staged.links.answer_token(alert)}"
    void = f"/answer/{alert}/{'A' * 22}"
    assert (await staged.get(path))[1:] != ("", {})
    assert (await staged.get(path))[1] == (await staged.get(void))[1]
    assert (await staged.post(path, answer="rejected"))[0] == 400
    assert staged.row("SELECT answer FROM alert") is None
    assert (await staged.post(path, answer="acknowledged"))[0] == 200
    assert (await staged.post(path, answer="accepted", means="page"))[0] == 200
    first, second = staged.entries("acknowledgement")
    assert (first["answer"], first["means"]) == ("acknowledged", "link")
    assert (second["answer"], second["means"]) == ("accepted", "page")
    not_forward = await staged.post(path, answer="acknowledged")
    assert not_forward[0] == 403
    assert await staged.post(void, answer="accepted") == not_forward
    never = f"/answer/{NEVER}/{staged.links.answer_token(NEVER)}"
    assert await staged.post(never, answer="accepted") == not_forward


async def test_a_rejection_needs_a_reason_of_the_list(staged: Stage) -> None:
    alert = await staged.alert()
    path = f"/answer/{alert}/{staged.links.answer_token(alert)}"
    assert (await staged.post(path, answer="rejected", reason="<b>"))[0] == 400
    assert (await staged.post(path, answer="rejected", reason="not-ours"))[0] == 200
    (logged,) = staged.entries("acknowledgement")
    assert (logged["answer"], logged["reason"]) == ("rejected", "not-ours")


async def test_a_system_collects_what_is_sealed_and_each_fetch_is_logged(staged: Stage) -> None:
    alert = await staged.alert(form="sealed")
    path = staged.links.sealed(alert, email("ppu")).removeprefix(staged.public_url)
    async with staged.session.get(staged.url + path) as answer:
        assert (answer.status, await answer.read()) == (200, b"ciphertext")
    (logged,) = staged.entries("consultation")
    assert (logged["means"], logged["endpoint"]) == ("system", email("ppu"))
    assert staged.row("SELECT collected_at FROM alert") is not None
    notice = staged.links.sealed(alert, EndpointId("ppu/sms")).removeprefix(staged.public_url)
    for void in (notice, path[:-22] + "A" * 22, path.replace(alert, NEVER)):
        assert (await staged.get(void))[0] == 404
    await staged.change("UPDATE alert SET recalled = 1")
    assert (await staged.get(path))[0] == 404
    assert len(staged.entries("consultation")) == 1


async def test_an_alert_whose_person_was_merged_since_still_opens(staged: Stage) -> None:
    alert = await staged.alert()
    await staged.change("INSERT INTO person (ref, wrapped_key, version) VALUES ('per_2', x'00', 0)")
    await staged.change("UPDATE person SET merged_into = 'per_2' WHERE ref = ?", PERSON)
    status, page = await staged.post(staged.path(alert), code=staged.code())
    assert status == 200
    assert canaries.NAME in page


async def test_an_alert_that_was_altered_opens_nothing_and_uses_nothing(staged: Stage) -> None:
    alert = await staged.alert()
    await staged.change("UPDATE alert SET held = ? WHERE id = ?", b"\x01" + b"x" * 60, alert)
    assert (await staged.post(staged.path(alert), code=staged.code()))[0] == 403
    assert staged.row("SELECT max(link_used_at) FROM outbox") is None
    assert staged.entries("consultation") == []


async def test_forms_that_are_none_of_ours_are_wrong(staged: Stage) -> None:
    path = staged.url + staged.path(await staged.alert())
    code = staged.code()
    bodies = [
        (b'{"code":"' + code.encode() + b'"}', "application/json"),
        (b"code=" + code.encode() + b"&code=" + code.encode(), "application/x-www-form-urlencoded"),
        (b"code=" + code.encode() + b"&x=" + b"a" * 40000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(50)), "application/x-www-form-urlencoded"),
        (b"code=\xff\xfe", "application/x-www-form-urlencoded"),
    ]
    for body, content_type in bodies:
        headers = {"Content-Type": content_type}
        async with staged.session.post(path, data=body, headers=headers) as answer:
            assert answer.status == 403


async def test_a_page_that_cannot_be_made_uses_nothing(staged: Stage) -> None:
    alert = await staged.alert({"message_type": "NOTIFY", "ack_required_by": "soon", "groups": 7})
    assert (await staged.post(staged.path(alert), code=staged.code()))[0] == 200
    broken = await staged.alert()
    await staged.change("UPDATE log_entry SET body = ? WHERE idx > 5", b"\xff")
    status, page = await staged.post(staged.path(broken), code=staged.code(steps=1))
    assert status == 500
    assert canaries.found_in(page) == []
    used = "SELECT max(link_used_at) FROM outbox WHERE alert = ?"
    assert staged.row(used, broken) is None


async def test_a_new_link_reads_again_and_the_used_one_does_not(staged: Stage) -> None:
    alert = await staged.alert()
    assert (await staged.post(staged.path(alert), code=staged.code()))[0] == 200
    issues: list[int] = []

    def text_of(_alert: object, _endpoint: object, _form: object, issue: int) -> bytes:
        issues.append(issue)
        return b"a new notice"

    for endpoint, given in ((email("ppu"), True), (EndpointId("ppu/webhook"), False)):
        unit = pick_ups.give_anew(alert, endpoint, by="PC-1", text_of=text_of, now=staged.now())
        assert await staged.store.commit(unit) is given
    assert issues == [1]
    (logged,) = staged.entries("attempt")
    assert (logged["reason"], logged["by"]) == ("new-link", "PC-1")
    assert staged.row("SELECT sealed FROM outbox WHERE link_issue = 1") == b"a new notice"
    assert (await staged.post(staged.path(alert), code=staged.code(steps=1)))[0] == 403
    assert (await staged.post(staged.path(alert, issue=1), code=staged.code(steps=1)))[0] == 200
    await staged.change("UPDATE outbox SET state = 'accepted'")
    await staged.change("UPDATE alert SET recalled = 1")
    unit = pick_ups.give_anew(alert, email("ppu"), by="PC-1", text_of=text_of, now=staged.now())
    assert await staged.store.commit(unit) is False


async def test_an_alert_that_a_later_one_follows_says_so(staged: Stage) -> None:
    alert = await staged.alert()
    later = await staged.alert(variant("CORRECTION", alert), message="CORRECTION", supersedes=alert)
    _, page = await staged.post(staged.path(alert), code=staged.code())
    assert f"A later alert, {reference(later)}, takes the place" in page
    _, page = await staged.post(staged.path(later), code=staged.code(steps=1))
    assert "takes the place" not in page


async def test_a_store_that_cannot_write_uses_nothing_and_says_so(staged: Stage) -> None:
    alert = await staged.alert()
    assert staged.store._writer is not None
    await staged.store._writer.close()
    status, page = await staged.post(staged.path(alert), code=staged.code())
    assert (status, "Nothing was opened or used up" in page) == (503, True)
    assert staged.row("SELECT max(link_used_at) FROM outbox") is None
