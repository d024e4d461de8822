"""What pages are built of: an answer's table, charts with their numbers, fields; for anybody."""

from collections.abc import AsyncIterator
from pathlib import Path

import jinja2
import pytest
from aiohttp import web

from gateway.audit.answer import Answer, Column
from gateway.console import rendering
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Shown, Visitor
from tests.console.stage import Stage, stage
from tests.support.browser import barriers, chromium, overflows

TEMPLATE = """{% extends "console.html" %}
{% from "parts.html" import answer_reading, answer_table, bar_chart, crumbs, csrf_field, date_field,
   line_chart, next_page, plain_table, pre, state_tag, summary, text_field %}
{% block breadcrumbs %}{{ crumbs([("Console", "/console"), ("Parts", none)]) }}{% endblock %}
{% block content %}
<h1 class="govuk-heading-l">{{ title }}</h1>
{{ answer_reading(answer) }}
{{ answer_table(answer, "What was told", "/console/log") }}
{{ summary([("Rule", "R01", "/console/rules", "See"), ("State", state_tag("late"))]) }}
{{ bar_chart("states", "Alerts by state", "Most are accepted.", [("Accepted", 1234), ("Late", 2, "late")]) }}
{{ line_chart("days", "Alerts by day", "A quiet week.", [("1 March", 3), ("2 March", 0)]) }}
{{ line_chart("none", "Alerts by hour", "Nothing yet.", []) }}
{{ plain_table("Deliveries", ["To", "How many"], [["police-ppu", 3]], numeric=(1,)) }}
{{ pre("x" * 300, "The entry") }}
<form method="post">{{ csrf_field(csrf) }}
{{ date_field("since", "From", "For example, 27 3 2026", {"day": "1", "month": "", "year": "2026"}, "Enter a month") }}
{{ text_field("recipient", "Recipient", value="<b>", error="Enter a recipient") }}
</form>
{{ next_page("/console/parts", "/console/parts?after=7", "disclosures") }}
{% endblock %}"""  # noqa: E501 - as a template is written

ANSWER = Answer(
    question="told",
    title="Who was told?",
    asked={},
    reading=("One recipient was told, <b>once</b>.",),
    columns=(
        Column(name="at", title="When", kind="time"),
        Column(name="entry", title="Entry", kind="entry"),
        Column(name="who", title="Who", kind="ref"),
        Column(name="groups", title="Groups", kind="list"),
        Column(name="acknowledged", title="Acknowledged"),
        Column(name="rule", title="Rule"),
    ),
    rows=(("2026-03-05T09:30:00Z", 1234567, "police-" + "x" * 60, "identity; mappa", True, None),),
    entries=(1234567,),
    size=1234568,
    checkpoint="",
    caveats=("What was told by telephone is not here.",),
)


async def show(_request: web.Request, _visitor: Visitor) -> Given:
    return Shown(template="test_parts.html", title="Parts", values={"answer": ANSWER})


def pages(_own: ConsoleOwn) -> list[ConsoleRoute]:
    return [ConsoleRoute(path="/console/parts", roles=frozenset({"dpo"}), get=show, nav="Parts")]


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    loader = rendering.environment().loader
    assert isinstance(loader, jinja2.ChoiceLoader)
    more = jinja2.DictLoader({"test_parts.html": TEMPLATE})
    loader.loaders = [*loader.loaders, more]
    try:
        async with stage(tmp_path / "instance", pages) as made:
            yield made
    finally:
        loader.loaders = [one for one in loader.loaders if one is not more]


async def test_an_answer_is_laid_out_by_the_kinds_of_its_columns(staged: Stage) -> None:
    text = (await (await staged.signed_in("dpo")).get("/console/parts")).text
    assert '<time datetime="2026-03-05T09:30:00Z">5 March 2026 at 9:30am</time>' in text
    assert '<a class="govuk-link" href="/console/log/1234567">1,234,567</a>' in text
    assert "identity, mappa" in text
    assert "&lt;b&gt;once&lt;/b&gt;" in text
    assert "<b>" not in text
    assert "What was told by telephone is not here." in text


async def test_a_chart_has_its_numbers_beside_it(staged: Stage) -> None:
    text = (await (await staged.signed_in("dpo")).get("/console/parts")).text
    assert text.count("<svg") == 3
    assert text.count("<desc") == 3
    assert text.count("1,234</") == 2
    assert 'width="340.0"' in text
    assert 'points="60.0,15.0 620.0,190.0 "' in text
    assert " style=" not in text


async def test_every_part_can_be_read_by_anybody_at_any_size(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    async with chromium() as (page, seen):
        await dpo.lend_to(page)
        await page.goto(f"{staged.public_url}/console/parts")
        await page.get_by_role("heading", name="Parts").wait_for()
        for details in await page.locator("summary").all():
            await details.click()
        assert await barriers(page) == []
        assert await overflows(page) == []
        await page.reload()
        await page.keyboard.press("Tab")
        focused = await page.evaluate("document.activeElement.textContent.trim()")
        assert focused == "Skip to main content"
    assert seen.complaints == []
