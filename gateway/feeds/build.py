"""From the configuration to feeds: each checked and built before anything is served.

What a kind needs is imported when that kind is configured: a gateway without an SQS feed needs no
AWS library.
"""

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.contract import Adapter, Split
from adapters.kit.framing import MAX_MESSAGE_BYTES, json_values
from gateway.config import BadConfig, Config
from gateway.config.feeds import (
    FeedConfig,
    FolderFeedConfig,
    MeshFeedConfig,
    MllpFeedConfig,
    SqsFeedConfig,
)
from gateway.feeds.contract import Feed
from gateway.feeds.runner import Source
from gateway.model.ids import AgencyName

if TYPE_CHECKING:
    from gateway.mesh_mailbox.client import MeshMailbox


def build_sources(
    config: Config,
    adapters: Mapping[str, Adapter],
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[str], str],
    mesh_mailbox: "Callable[[], MeshMailbox] | None" = None,
) -> list[Source]:
    """Return the configured feeds, in order. Connects to nothing.

    Args:
        config: Whose `feed` tables.
        adapters: Those installed.
        clock: For answers that state a time.
        new_id: For answers that have an id.
        mesh_mailbox: Makes the client of the mailbox in the section `mesh`, one for each feed;
            None where there is no such section.

    Raises:
        BadConfig: names the feed and what is wrong with it.
    """
    sources = []
    for one in config.feed:
        adapter = _adapter(one, adapters)
        sources.append(
            Source(
                feed=_feed(one, config, adapter, clock, new_id, mesh_mailbox),
                agency=AgencyName(one.agency),
                adapter=one.adapter,
            )
        )
    return sources


def _adapter(one: FeedConfig, adapters: Mapping[str, Adapter]) -> Adapter | None:
    if one.adapter is None:
        return None
    adapter = adapters.get(one.adapter)
    if adapter is None or adapter.inbound is None:
        readers = sorted(name for name, each in adapters.items() if each.inbound is not None)
        raise BadConfig(
            f"feed {one.name}: no installed adapter of that name reads; there are"
            f" {', '.join(readers) or 'none'}"
        )
    return adapter


def _feed(
    one: FeedConfig,
    config: Config,
    adapter: Adapter | None,
    clock: Callable[[], datetime],
    new_id: Callable[[str], str],
    mesh_mailbox: "Callable[[], MeshMailbox] | None",
) -> Feed:
    match one:
        case SqsFeedConfig():
            return _sqs(one)
        case MllpFeedConfig():
            return _mllp(one, config, clock, new_id)
        case FolderFeedConfig():
            return _folder(one, config, adapter)
        case MeshFeedConfig():
            return _mesh(one, mesh_mailbox)


def _sqs(one: SqsFeedConfig) -> Feed:
    try:
        from gateway.feeds.sqs import SqsFeed
    except ImportError:
        raise BadConfig(
            f"feed {one.name}: sqs needs an extra: pip install 'throughgate[sqs]'"
        ) from None
    return SqsFeed(one)


def _mllp(
    one: MllpFeedConfig,
    config: Config,
    clock: Callable[[], datetime],
    new_id: Callable[[str], str],
) -> Feed:
    from gateway.feeds.mllp import MllpFeed

    return MllpFeed(one, tls=_server_tls(one, config), clock=clock, new_id=new_id)


def _server_tls(one: MllpFeedConfig, config: Config) -> ssl.SSLContext | None:
    """Return a server context; with `client_ca_file` it asks for a client certificate of that
    authority and talks to nobody without one.
    """
    if one.tls_certificate is None or one.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.path(one.tls_certificate), config.path(one.tls_key))
        if one.client_ca_file is not None:
            context.load_verify_locations(cafile=config.path(one.client_ca_file))
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError):
        raise BadConfig(
            f"feed {one.name}: tls_certificate, tls_key or client_ca_file cannot be used"
        ) from None
    return context


def _folder(one: FolderFeedConfig, config: Config, adapter: Adapter | None) -> Feed:
    from gateway.feeds.drop import DropFolder, NotAFolder
    from gateway.feeds.folder import FolderFeed

    path = config.path(one.path)
    try:
        DropFolder(path).check()
    except NotAFolder as error:
        wanted = {
            "not-a-folder": "must be a folder, and no symbolic link to one",
            "open-to-all": "must not be writable by everyone: who can write to it is the agency",
        }
        raise BadConfig(f"feed {one.name}: path {wanted[error.code]}") from None
    split: Split = adapter.inbound.split if adapter and adapter.inbound else json_values
    return FolderFeed(one, path=path, split=split)


def _mesh(one: MeshFeedConfig, mailbox: "Callable[[], MeshMailbox] | None") -> Feed:
    from gateway.feeds.mesh import MeshFeed

    if mailbox is None:
        raise BadConfig(f"feed {one.name}: mesh needs the section [mesh]")
    try:
        return MeshFeed(
            name=one.name,
            mailbox=mailbox(),
            senders=frozenset(one.senders),
            poll_s=one.poll_s,
            max_bytes=MAX_MESSAGE_BYTES,
            workflow_id=one.workflow_id,
        )
    except ValueError as error:  # the text of a BadMailbox quotes nothing
        raise BadConfig(f"feed {one.name}: {error}") from None
