"""Where the store is: what is said of it, and what an address may not hold."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from gateway.config import BadConfig, load_config
from gateway.store.engine import StoreUnavailable
from gateway.store.place import PostgresPlace, SqlitePlace, place_of

URL = "postgresql://throughgate@db.example.gov.uk:5433/alerts"


def configured(folder: Path, sections: str) -> Path:
    file = folder / "throughgate.toml"
    file.write_text(f'[instance]\nname = "example/place"\n{sections}')
    return file


def test_without_a_server_it_is_the_file_of_the_instance(tmp_path: Path) -> None:
    config = load_config(configured(tmp_path, ""))
    assert place_of(config) == SqlitePlace(tmp_path / "throughgate.db")


def test_with_one_it_is_there_and_the_machine_keeps_its_own_beside(tmp_path: Path) -> None:
    config = load_config(configured(tmp_path, f'[postgres]\nurl = "{URL}"\n'))
    place = place_of(config)
    assert place == PostgresPlace(URL)
    assert place.describe() == "PostgreSQL at db.example.gov.uk:5433/alerts"
    assert config.local_state(".lock") == tmp_path / "throughgate.lock"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://throughgate:hunter2@db.example.gov.uk/alerts",
        "postgresql://throughgate@db.example.gov.uk/alerts?password=hunter2",
        "postgresql://throughgate@db.example.gov.uk/alerts?sslpassword=hunter2",
        "mysql://throughgate@db.example.gov.uk/hunter2",
        "postgresql://throughgate@hunter2",
    ],
)
def test_an_address_with_a_secret_or_of_nothing_is_refused_unsaid(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadConfig) as refused:
        load_config(configured(tmp_path, f'[postgres]\nurl = "{url}"\n'))
    assert "postgres.url" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://:hunter2@spread.example/0", "http://spread.example"])
def test_the_same_holds_of_redis(tmp_path: Path, url: str) -> None:
    sections = f'[postgres]\nurl = "{URL}"\n[redis]\nurl = "{url}"\n'
    with pytest.raises(BadConfig) as refused:
        load_config(configured(tmp_path, sections))
    assert "redis.url" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_redis_spreads_nothing_of_an_embedded_store(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="only beside"):
        load_config(configured(tmp_path, '[redis]\nurl = "redis://127.0.0.1"\n'))


def test_another_machine_has_to_prove_its_name(tmp_path: Path) -> None:
    there = conninfo_to_dict(PostgresPlace(URL).address())
    assert (there["sslmode"], there["sslrootcert"]) == ("verify-full", "system")
    here = conninfo_to_dict(PostgresPlace("postgresql://throughgate@127.0.0.1/alerts").address())
    assert "sslmode" not in here
    stated = PostgresPlace(f"{URL}?sslmode=verify-full&sslrootcert=/etc/ca.pem").address()
    assert conninfo_to_dict(stated)["sslrootcert"] == "/etc/ca.pem"


def test_a_password_is_read_from_a_file_that_is_closed_to_others(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("of nothing\n")
    secret.chmod(0o644)
    place = PostgresPlace(URL, secret)
    with pytest.raises(StoreUnavailable) as refused:
        place.address()
    assert refused.value.code == "password"
    secret.chmod(0o600)
    assert conninfo_to_dict(place.address())["password"] == "of nothing"
    assert "of nothing" not in repr(place) + place.describe()
