"""What two people compare to be sure that they mean the same key."""

import hashlib
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from keys import base64url
from keys.fingerprints import fingerprint, printed, same_fingerprint
from tests.keys.material import FORMS, pair

HEX_FORMS = [form for form in FORMS if not form.startswith("jwe")]
JOSE_FORMS = [form for form in FORMS if form.startswith("jwe")]


@pytest.mark.parametrize("form", FORMS)
def test_a_fingerprint_is_whole_and_of_this_key_alone(form: str) -> None:
    key, other = pair(form)[0], pair(form, 1)[0]
    assert fingerprint(key) != fingerprint(other)
    assert same_fingerprint(key, fingerprint(key))
    assert not same_fingerprint(key, fingerprint(other))
    pattern = r"[A-Za-z0-9_-]{43}" if form.startswith("jwe") else r"[0-9a-f]{64}"
    assert re.fullmatch(pattern, fingerprint(key))


@pytest.mark.parametrize("form", HEX_FORMS)
@given(data=st.data())
def test_neither_grouping_nor_case_of_hex_matters(form: str, data: st.DataObject) -> None:
    key = pair(form)[0]
    whole = fingerprint(key)
    upper = data.draw(st.lists(st.booleans(), min_size=64, max_size=64))
    apart = data.draw(st.lists(st.sampled_from(["", "", " ", ":", "-", "\n"]), min_size=64,
                               max_size=64))  # fmt: skip
    spoken = "".join(
        (one.upper() if big else one) + gap
        for one, big, gap in zip(whole, upper, apart, strict=True)
    )
    assert same_fingerprint(key, spoken)
    assert same_fingerprint(key, printed(whole))


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_a_shortened_or_altered_fingerprint_is_another(form: str, data: st.DataObject) -> None:
    key = pair(form)[0]
    whole = fingerprint(key)
    short = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert not same_fingerprint(key, short)
    assert not same_fingerprint(key, whole + data.draw(st.sampled_from("0aé")))
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from("0123456789abcdef").filter(lambda one: one != whole[at]))
    assert not same_fingerprint(key, whole[:at] + other + whole[at + 1 :])


@given(st.text())
def test_no_text_whatever_passes_for_a_fingerprint(text: str) -> None:
    assert not any(same_fingerprint(pair(form)[0], text) for form in FORMS)


@pytest.mark.parametrize("form", JOSE_FORMS)
def test_the_case_of_a_thumbprint_does_matter(form: str) -> None:
    key = pair(form)[0]
    whole = fingerprint(key)
    assert whole.swapcase() != whole
    assert not same_fingerprint(key, whole.swapcase())
    assert same_fingerprint(key, f"  {whole}\n")
    assert printed(whole) == whole


def test_they_are_what_other_programs_print() -> None:
    hpke, cms, jose = (pair(form)[0] for form in ("hpke", "cms-p256", "jwe-x25519"))
    raw = base64url.decode(hpke.public.removeprefix("thpk_"))
    assert fingerprint(hpke) in {hashlib.sha256(raw[at:]).hexdigest() for at in range(4)}
    leaf = x509.load_pem_x509_certificate(cms.public.encode())
    assert fingerprint(cms) == leaf.fingerprint(hashes.SHA256()).hex()
    assert fingerprint(jose) == jose.key_id  # RFC 7638
