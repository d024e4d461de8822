"""The least TLS a channel takes."""

import ssl

import pytest

from gateway.channels.tls import verifying_context


def test_without_a_context_the_system_store_and_tls_1_2_are_the_floor() -> None:
    context = verifying_context(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_careful_context_is_taken_as_it_is() -> None:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # some builds of Python leave it lower
    assert verifying_context(context) is context


def _unnamed(context: ssl.SSLContext) -> None:
    context.check_hostname = False


def _unverified(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_OPTIONAL


def _any_version(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED


@pytest.mark.parametrize("loosen", [_unnamed, _unverified, _any_version])
def test_a_context_loosened_in_any_way_is_not_taken(loosen: object) -> None:
    context = ssl.create_default_context()
    assert callable(loosen)
    loosen(context)
    with pytest.raises(ValueError, match="TLS context"):
        verifying_context(context)
