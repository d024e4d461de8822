"""What is an address and what is not."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.channels.addresses import (
    BadAddress,
    check_host_name,
    check_https_url,
    check_mailbox,
    check_phone,
)
from gateway.channels.outbound import OutboundPolicy
from tests.third_party import vector_files, vectors

PUBLIC = OutboundPolicy()


def _probes(file: str, member: str) -> list[str]:
    found = vector_files("own-probes", file)
    return list(json.loads(found[0].read_text())[member]) if found else []


BAD_MAILBOXES = _probes("mail-injection.json", "addresses_must_be_refused")
BAD_URLS = _probes("ssrf-urls.json", "must_refuse_at_registration_and_at_connect")


def test_the_probes_of_addresses_were_there_to_run() -> None:
    vectors("own-probes")
    assert len(BAD_MAILBOXES) > 8
    assert len(BAD_URLS) > 40


@pytest.mark.parametrize("text", BAD_MAILBOXES, ids=ascii)
def test_every_injecting_mailbox_of_the_probes_is_refused(text: str) -> None:
    with pytest.raises(BadAddress, match=r"^mailbox-form$"):
        check_mailbox(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@example.org",
        "a@",
        "a@localhost",
        "a@[127.0.0.1]",
        "@relay.example,@b.example:a@c.example",
        '"a b"@example.org',
        "a.@example.org",
        ".a@example.org",
        "a@-b.example",
        "a@b-.example",
        "a@b.example.",
        "a@127.0.0.1",
        "a@b.example\n",
        "a" * 65 + "@example.org",
        "a@" + "b." * 123 + "example.org",
        "ä@example.org",
    ],
)
def test_what_is_not_a_dot_atom_at_a_host_name_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        check_mailbox(text)


@pytest.mark.parametrize(
    "text",
    ["duty.desk@police.example.org", "o'brien+x@a-b.example", "a" * 64 + "@example.org"],
)
def test_plain_mailboxes_pass_unchanged(text: str) -> None:
    assert check_mailbox(text) == text


@given(st.text(alphabet=string.printable + "é\u2028\x00", max_size=40))
def test_a_mailbox_that_passes_cannot_leave_its_place_on_a_command_line(text: str) -> None:
    try:
        checked = check_mailbox(f"{text}@example.org")
    except BadAddress:
        return
    assert checked.isascii()
    assert not set(checked) & set(' <>"(),:;\\[]\r\n\t\x00')
    assert checked.count("@") == 1


@pytest.mark.parametrize("text", BAD_URLS, ids=ascii)
def test_every_url_of_the_probes_is_refused_at_registration(text: str) -> None:
    with pytest.raises(BadAddress):
        check_https_url(text, policy=PUBLIC)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("http://example.org/", "url-scheme"),
        ("https://example.org/#x", "url-form"),
        ("https://user@example.org/", "url-form"),
        ("https://example.org/ x", "url-form"),
        ("https://example.org/%zz", "url-form"),
        ("https://example.org:0/", "url-port"),
        ("https://example.org:8443/", "url-port"),
        ("https://intranet/", "url-host"),
        ("https://a..example/", "url-host"),
        ("https://0x7f.1/", "url-host"),
        ("https://127.1/", "url-host"),
        ("https://[::1%25eth0]/", "url-form"),
        ("https://8.8.8.8:22/", "url-host"),
        ("https://example.org/" + "a" * 2000, "url-form"),
    ],
)
def test_a_refused_url_is_refused_for_a_stated_reason(text: str, code: str) -> None:
    with pytest.raises(BadAddress, match=f"^{code}$"):
        check_https_url(text, policy=PUBLIC)


def test_a_url_keeps_its_path_and_query_and_loses_its_capitals() -> None:
    checked = check_https_url("HTTPS://Hook.Example.ORG:443/In?a=B%20c", policy=PUBLIC)
    assert checked == "https://hook.example.org:443/In?a=B%20c"


def test_names_inside_a_network_wait_for_the_connect_once_a_network_is_named(
    loopback: OutboundPolicy,
) -> None:
    for text in ("https://hooks.internal:8443/in", "https://localhost/", "https://127.0.0.1:9/"):
        assert check_https_url(text, policy=loopback) == text
    with pytest.raises(BadAddress):
        check_https_url("https://10.0.0.1/", policy=loopback)


def test_plain_http_passes_only_to_a_named_loopback_literal(loopback: OutboundPolicy) -> None:
    plain = OutboundPolicy(allowed_networks=loopback.allowed_networks, allow_plain_http=True)
    assert check_https_url("http://127.0.0.1:80/", policy=plain) == "http://127.0.0.1:80/"
    for policy, text in (
        (loopback, "http://127.0.0.1/"),
        (plain, "http://localhost/"),
        (plain, "http://[::1]/"),
        (plain, "http://8.8.8.8/"),
        (OutboundPolicy(allow_plain_http=True), "http://127.0.0.1/"),
    ):
        with pytest.raises(BadAddress, match="url-scheme"):
            check_https_url(text, policy=policy)


@given(st.text(alphabet="hHtps:/\\@.?#%[]019aAx-_ \r\n", max_size=30), st.booleans())
def test_a_url_that_passes_means_the_same_host_to_the_library_that_connects(
    text: str, prefixed: bool
) -> None:
    try:
        checked = check_https_url(f"https://{text}" if prefixed else text, policy=PUBLIC)
    except BadAddress:
        return
    authority = checked.removeprefix("https://").partition("/")[0].partition("?")[0]
    host = URL(checked, encoded=True).raw_host
    assert host is not None
    assert authority.removesuffix(":443").strip("[]") == host


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("07700 900123", "+447700900123"),
        ("+44 7700 900999", "+447700900999"),
        ("(020) 7946 0000", "+442079460000"),
        ("+33 1 70 18 99 00", "+33170189900"),
    ],
)
def test_numbers_become_e164_and_the_drama_numbers_pass(text: str, e164: str) -> None:
    assert check_phone(text) == e164


@pytest.mark.parametrize(
    "text",
    [
        "",
        "999",
        "07700",
        "+4477009001234567",
        "07700900123;ext=5",
        "07700900123 x5",
        "0770O900123",
        "٠٧٧٠٠٩٠٠١٢٣",
        "07700900123\n",
        "tel:+447700900123",
        "+0 7700 900123",
    ],
)
def test_what_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(BadAddress, match=r"^phone-form$"):
        check_phone(text)


@given(st.text(alphabet="+0123456789() -", max_size=26))
def test_a_number_that_passes_is_e164_and_passes_again(text: str) -> None:
    try:
        number = check_phone(text)
    except BadAddress:
        return
    assert number[0] == "+"
    assert 8 <= len(number) - 1 <= 15
    assert number[1:].isdigit()
    assert check_phone(number) == number


@given(st.text(max_size=30))
def test_a_refusal_never_quotes_what_it_refuses(text: str) -> None:
    secret = f"canary{text}\n"
    for check in (check_mailbox, check_phone, check_host_name):
        with pytest.raises(BadAddress) as refusal:
            check(secret)
        assert "canary" not in str(refusal.value) + repr(refusal.value)
