"""Links between pages lead somewhere, and the pages are all reachable from the first one."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name_of


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in links(page):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https", target
            continue
        led_to = (page.parent / parts.path).resolve() if parts.path else page
        assert led_to.is_relative_to(ROOT), target
        assert led_to.exists(), target
        if parts.fragment:
            assert parts.fragment in anchors(led_to), target


def test_every_page_is_reachable_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    waiting = list(reached)
    while waiting:
        page = waiting.pop()
        for target in links(page):
            parts = urlsplit(target)
            led_to = (page.parent / parts.path).resolve() if parts.path else page
            if not parts.scheme and led_to.suffix == ".md" and led_to not in reached:
                reached.add(led_to)
                waiting.append(led_to)
    assert {name_of(page) for page in PAGES} <= {name_of(page) for page in reached}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_no_machine_and_no_mailbox_of_anyone(page: Path) -> None:
    text = page.read_text("utf-8")
    for path in ("/root/", "/tmp/", "/home/"):
        assert path not in text
