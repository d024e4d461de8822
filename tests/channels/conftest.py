"""Loopback certificates, made once, and a policy that reaches loopback and nothing else."""

from ipaddress import ip_network

import pytest

from gateway.channels.outbound import OutboundPolicy
from gateway.demo.servers.certificates import LoopbackCertificates, make_certificates


@pytest.fixture(scope="session")
def certificates() -> LoopbackCertificates:
    return make_certificates(None)


@pytest.fixture(scope="session")
def other_name() -> LoopbackCertificates:
    """A certificate for another host, from an authority of its own."""
    return make_certificates(None, names=("elsewhere.example",))


@pytest.fixture
def loopback() -> OutboundPolicy:
    return OutboundPolicy(allowed_networks=(ip_network("127.0.0.0/8"),))
