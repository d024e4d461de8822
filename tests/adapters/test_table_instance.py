"""An instance that names a table takes its rows, and writes them, like any other format."""

from pathlib import Path

import pytest

from adapters.registry import find_adapters
from gateway.adapters_of import adapters_of
from gateway.config import BadConfig, Config, load_config
from tests.adapters.examples import FOLDER
from tests.gateway_in_process import gateway

MAPPING = FOLDER / "table" / "supported_housing.toml"
TENANCIES = (FOLDER / "table" / "tenancies.in.csv").read_bytes()
SECTION = f'[[table]]\nname = "supported_housing"\nmapping = "{MAPPING}"\n'


async def test_rows_posted_to_a_table_are_accepted_and_a_bad_one_is_named(tmp_path: Path) -> None:
    # The agency at hand is a prison, which may tell of a reception and not of a tenancy.
    text = MAPPING.read_text("utf-8").replace("accommodation.placed", "custody.received")
    (tmp_path / "own.toml").write_text(text, "utf-8")
    section = SECTION.replace(str(MAPPING), str(tmp_path / "own.toml"))
    body = b"".join(TENANCIES.splitlines(keepends=True)[:2])
    async with gateway(tmp_path / "instance", sections=section) as served:
        status, answer = await served.post(body, adapter="supported_housing")
        assert status == 202, answer
        bad = body.replace(b"17/03/1981", b"1981-03-17")
        status, answer = await served.post(bad, adapter="supported_housing")
        assert status == 400
        assert "$.Born" in str(answer)
        assert "1981" not in str(answer)
        async with served.session.get(f"{served.url}/v1/adapters") as listed:
            names = [one["name"] for one in (await listed.json())["adapters"]]
        assert "supported_housing" in names


def config(folder: Path, sections: str) -> Config:
    file = folder / "throughgate.toml"
    file.write_text(f'[instance]\nname = "throughgate.example/x"\n{sections}', "utf-8")
    return load_config(file)


def test_tables_stand_among_the_installed_adapters_in_order(tmp_path: Path) -> None:
    found = adapters_of(config(tmp_path, SECTION))
    assert set(found) == {*find_adapters(), "supported_housing"}
    assert list(found) == sorted(found)
    assert adapters_of(config(tmp_path, "")) == find_adapters()


def test_a_mapping_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(MAPPING.read_text("utf-8"), "utf-8")
    section = SECTION.replace(str(MAPPING), "own.toml")
    assert "supported_housing" in adapters_of(config(tmp_path, section))


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (SECTION + SECTION, "another adapter called supported_housing"),
        (SECTION.replace("supported_housing", "hmpps_domain_events", 1), "another adapter called"),
        (SECTION.replace('"supported_housing"', '"other"', 1), "its mapping is called"),
        (SECTION.replace(".toml", ".nowhere"), "cannot read"),
        (SECTION.replace("table/supported_housing.toml", "table/tenancies.in.csv"), "not TOML"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_bad_configuration(
    tmp_path: Path, section: str, reason: str
) -> None:
    with pytest.raises(BadConfig, match=reason):
        adapters_of(config(tmp_path, section))


def test_every_fault_of_a_mapping_is_in_the_message(tmp_path: Path) -> None:
    text = MAPPING.read_text("utf-8").replace("mappa.level", "mappa.x").replace('"csv"', '"x"')
    (tmp_path / "bad.toml").write_text(text, "utf-8")
    with pytest.raises(BadConfig, match=r"mappa\.x.*format"):
        adapters_of(config(tmp_path, SECTION.replace(str(MAPPING), "bad.toml")))


def test_a_name_that_no_mapping_can_have_is_refused_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"table\.0\.name"):
        config(tmp_path, SECTION.replace('"supported_housing"', '"Supported"'))
