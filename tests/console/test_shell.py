"""The console's door: who gets which page, and what a form must bring."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from tests.console.pages import SECRET, Pages
from tests.console.stage import Answered, Stage, hidden, stage

OURS = "same-origin"


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
async def staged(tmp_path: Path, pages: Pages) -> AsyncIterator[Stage]:
    async with stage(tmp_path / "instance", pages.routes) as made:
        yield made


def same(one: Answered, other: Answered) -> bool:
    """Whether two answers cannot be told apart."""
    return (one.status, one.text, dict(one.headers)) == (
        other.status,
        other.text,
        dict(other.headers) | {"date": one.headers["date"]},
    )


async def test_a_page_is_laid_out_for_whoever_it_is_for(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo", agencies=["hmp-exampleton"], organisations=["Example"])
    shown = await dpo.get("/console/things")
    assert shown.status == 200
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert shown.text.startswith("<!DOCTYPE html>")
    assert '<html lang="en"' in shown.text
    assert "<title>Things – Throughgate</title>" in shown.text
    assert "Signed in as dpo-01" in shown.text
    assert "hmp-exampleton" in shown.text
    assert "<script>alert" not in shown.text
    assert "&lt;script&gt;alert" in shown.text
    assert 'aria-current="page"' in shown.text
    assert hidden(shown.text, "csrf") == dpo.csrf


async def test_the_navigation_names_what_is_for_the_visitor_alone(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo", agencies=["hmp-exampleton"])
    operator = await staged.signed_in("operator")
    to_dpo, to_operator = await dpo.get("/console"), await operator.get("/console")
    assert "Things" in to_dpo.text
    assert "Machine" not in to_dpo.text
    assert "Machine" in to_operator.text
    assert "Things" not in to_operator.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
async def test_what_is_not_for_a_visitor_answers_as_what_does_not_exist(
    staged: Stage, pages: Pages, method: str
) -> None:
    operator = await staged.signed_in("operator")
    ours = {"Origin": staged.public_url}
    nothing = await operator.send(method, "/console/nothing", headers=ours)
    assert nothing.status == 404
    for path in ("/console/things", "/console/things/per_1", "/console/grave", "/console/file"):
        assert same(await operator.send(method, path, headers=ours), nothing)
    assert pages.reached == []


async def test_who_is_not_signed_in_is_told_where_and_nothing_else(staged: Stage) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE"):
        for path in ("/console", "/console/things", "/console/nothing", "/console/a/b/c"):
            sent = await staged.client().send(method, path, headers={})
            assert (sent.status, sent.to) == (303, f"/console/sign-in?next={path}")
            assert sent.text == ""


async def test_what_a_visitor_may_not_do_is_not_there(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    ours = {"Origin": staged.public_url}
    for method, path in (("DELETE", "/console/things"), ("POST", "/console/file")):
        assert (await dpo.send(method, path, headers=ours)).status == 404
    assert (await dpo.get("/console/gone")).status == 404


WHERE = ["things", "nothing", "broken", "away", "sign-in", "signed-out", "enrol/x"]


async def test_every_answer_carries_the_headers(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    for client in (dpo, staged.client()):
        for path in WHERE:
            headers = (await client.get(f"/console/{path}")).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "trusted-types 'none'" in policy
            assert "unsafe" not in policy
            assert "camera=()" in headers["permissions-policy"]
            assert {name: headers[name] for name in HEADERS} == HEADERS


HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


async def test_no_page_has_a_style_or_script_inline(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    for path in ("/console/things", "/console/nothing", "/console/grave"):
        text = (await dpo.get(path)).text
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick" not in text
        assert text.count("<script") == text.count('<script type="module" src="/console/assets/')


async def test_a_form_does_its_work_and_moves_on(staged: Stage, pages: Pages) -> None:
    dpo = await staged.signed_in("dpo")
    done = await dpo.post("/console/things", {"what": "ŵ+&=", "empty": ""})
    assert (done.status, done.to, done.text) == (303, "/console/things", "")
    assert pages.reached == [("/console/things", {"what": "ŵ+&=", "empty": ""})]


FORGERIES = {
    "no token": ("", {"Origin": "ours"}),
    "a wrong token": ("A" * 43, {"Origin": "ours"}),
    "a token that is no ASCII": ("é", {"Origin": "ours"}),
    "from nowhere": (None, {}),
    "from another origin": (None, {"Origin": "https://elsewhere.example"}),
    "from null": (None, {"Origin": "null"}),
    "from another port": (None, {"Origin": "http://localhost:1"}),
    "cross-site": (None, {"Sec-Fetch-Site": "cross-site"}),
    "same-site": (None, {"Origin": "ours", "Sec-Fetch-Site": "same-site"}),
    "typed": (None, {"Sec-Fetch-Site": "none"}),
}


async def test_a_form_from_elsewhere_does_nothing(staged: Stage, pages: Pages) -> None:
    dpo = await staged.signed_in("dpo")
    ours = staged.public_url
    for forgery, (csrf, stated) in FORGERIES.items():
        headers = {name: ours if said == "ours" else said for name, said in stated.items()}
        refused = await dpo.post("/console/things", {"what": "x"}, csrf=csrf, headers=headers)
        assert refused.status == 400, forgery
        assert pages.reached == [], forgery
        assert "Nothing was changed" in refused.text


async def test_another_sessions_token_is_no_good(staged: Stage, pages: Pages) -> None:
    one, other = await staged.signed_in("dpo"), await staged.signed_in("dpo", id_="dpo-02")
    assert one.csrf != other.csrf
    assert (await one.post("/console/things", csrf=other.csrf)).status == 400
    assert pages.reached == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a=1&a=2", "application/x-www-form-urlencoded"),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % number for number in range(70)), "application/x-www-form-urlencoded"),
        (b"a=%ff", "application/x-www-form-urlencoded"),
        (b"a=\xff", "application/x-www-form-urlencoded"),
        (b"nothing", "application/x-www-form-urlencoded"),
        (b'{"a": 1}', "application/json"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"a=1", "text/plain"),
    ],
    ids=["twice", "long", "many", "no UTF-8", "raw bytes", "no pairs", "JSON", "multipart", "text"],
)
async def test_what_is_no_form_is_not_taken(
    staged: Stage, pages: Pages, body: bytes, content_type: str
) -> None:
    dpo = await staged.signed_in("dpo")
    token = f"&csrf={dpo.csrf}".encode()
    headers = {"Origin": staged.public_url, "Content-Type": content_type}
    sent = await dpo.send("POST", "/console/things", data=body + token, headers=headers)
    assert sent.status == 400
    assert pages.reached == []


async def test_a_form_without_a_length_is_read_within_the_same_bounds(
    staged: Stage, pages: Pages
) -> None:
    dpo = await staged.signed_in("dpo")

    async def parts() -> AsyncIterator[bytes]:
        yield f"csrf={dpo.csrf}&a=".encode()
        for _ in range(70):
            yield b"x" * 1000

    headers = {
        "Origin": staged.public_url,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert (await dpo.send("POST", "/console/things", data=parts(), headers=headers)).status == 400
    assert pages.reached == []


async def test_a_file_is_only_ever_kept(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    file = await dpo.get("/console/file")
    assert file.body == b"<script>\n"
    assert file.headers["content-disposition"] == 'attachment; filename="a---b.csv"'
    assert file.headers["content-type"] == "text/csv"
    assert file.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_what_goes_wrong_is_said_without_a_detail(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    with capture_logs() as lines:
        broken, away = await dpo.get("/console/broken"), await dpo.get("/console/away")
    assert (broken.status, away.status) == (500, 503)
    assert away.headers["retry-after"] == "10"
    assert SECRET not in broken.text + away.text + str(lines)
    assert "Traceback" not in broken.text
    assert {line["event"] for line in lines} == {"console failed", "console unavailable"}


async def test_a_grave_page_asks_for_a_fresh_proof(staged: Stage, pages: Pages) -> None:
    dpo = await staged.signed_in("dpo")
    assert (await dpo.get("/console/grave")).status == 200
    staged.now.pass_by(minutes=5)
    for sent in (await dpo.get("/console/grave"), await dpo.post("/console/grave")):
        assert (sent.status, sent.to) == (303, "/console/sign-in?again=/console/grave")
    assert len(pages.reached) == 1
    asked = await dpo.get("/console/sign-in?again=/console/grave")
    assert "Prove that it is you" in asked.text
    assert hidden(asked.text, "again") == "/console/grave"
    assert (await dpo.get("/console/things")).status == 200


ELSEWHERE = [
    "//elsewhere.example",
    "https://elsewhere.example",
    "/elsewhere",
    "/console/../x",
    "/console//x",
    "/console\\x",
    "/console/sign-in",
    "javascript:alert(1)",
    "/consolex",
]


async def test_nobody_is_led_elsewhere(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    assert (await dpo.get("/console/sign-in")).to == "/console"
    assert (await dpo.get("/console/sign-in?next=/console/things")).to == "/console/things"
    for path in ELSEWHERE:
        led = await dpo.get(f"/console/sign-in?next={quote(path)}")
        assert (led.status, led.to) == (303, "/console"), path


async def test_an_operator_is_given_no_scope_whatever_the_account_says(staged: Stage) -> None:
    operator = await staged.signed_in("operator", agencies=["hmp-exampleton"])
    assert "hmp-exampleton" not in (await operator.get("/console/machine")).text


async def test_a_console_that_is_off_is_not_there(tmp_path: Path, pages: Pages) -> None:
    off = "[console]\nenabled = false\n"
    async with stage(tmp_path / "instance", pages.routes, sections=off) as staged:
        for path in ("/console", "/console/sign-in", "/console/things"):
            assert (await staged.client().get(path)).status == 404
