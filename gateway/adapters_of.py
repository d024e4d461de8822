"""Which agency formats an instance has: those installed, and the tables its configuration names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from adapters.contract import Adapter
from adapters.registry import find_adapters
from adapters.table import BadMapping, read_mapping, table_adapter
from gateway.config import BadConfig, Config, TableConfig
from gateway.model.strict_json import Json, JsonObject

MAX_MAPPING_BYTES: Final = 1024 * 1024


def adapters_of(config: Config) -> Mapping[str, Adapter]:
    """Return every adapter of an instance by name, sorted.

    Raises:
        BadConfig: a mapping that cannot be read, with every fault; or a name there already is.
        UnusableAdapter: as `adapters.registry.find_adapters`.

    Reads the mapping files; call once, at start.
    """
    found = dict(find_adapters())
    for table in config.table:
        if table.name in found:
            raise BadConfig(f"table.name: there is another adapter called {table.name}")
        found[table.name] = _table(config, table)
    return MappingProxyType(dict(sorted(found.items())))


def described(adapter: Adapter) -> JsonObject:
    """Return what an adapter reads and writes, for those who choose one. Pure."""
    reads = adapter.inbound.media_types if adapter.inbound else ()
    return {
        "name": adapter.name,
        "title": adapter.title,
        "reads": list[Json](reads),
        "writes": list[Json](one.form for one in adapter.outbound),
    }


def _table(config: Config, table: TableConfig) -> Adapter:
    file = config.path(table.mapping)
    try:
        if file.stat().st_size > MAX_MAPPING_BYTES:
            raise BadConfig(f"table.mapping: {file} is larger than {MAX_MAPPING_BYTES} bytes")
        mapping = read_mapping(file.read_text("utf-8"))
    except OSError as error:
        raise BadConfig(f"table.mapping: cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadConfig(f"table.mapping: {file} is not UTF-8 text") from None
    except BadMapping as error:
        raise BadConfig(f"table.mapping: {file}: {error}") from None
    if mapping.name != table.name:
        raise BadConfig(f"table.name: {table.name}, but its mapping is called {mapping.name}")
    return table_adapter(mapping)
