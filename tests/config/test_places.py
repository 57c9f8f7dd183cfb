"""Where a configuration is looked for."""

from pathlib import Path

import pytest

from isthmus.config.places import candidates, data_folder, find
from isthmus.errors import ConfigurationError

HERE = Path("/here")


@pytest.mark.parametrize(
    ("platform", "environ", "own"),
    [
        ("linux", {"HOME": "/home/ann"}, "/home/ann/.config/isthmus/isthmus.yaml"),
        ("linux", {"HOME": "/home/ann", "XDG_CONFIG_HOME": "/xdg"}, "/xdg/isthmus/isthmus.yaml"),
        ("darwin", {"HOME": "/Users/ann"}, "/Users/ann/Library/Application Support/isthmus/isthmus.yaml"),
        ("win32", {"APPDATA": "/AppData", "HOME": "/x"}, "/AppData/isthmus/isthmus.yaml"),
    ],
)
def test_the_working_directory_comes_before_the_users_own(platform: str, environ: dict[str, str], own: str) -> None:
    assert candidates(HERE, environ, platform) == (HERE / "isthmus.yaml", Path(own))


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_without_a_home_there_is_the_working_directory_only(platform: str) -> None:
    assert candidates(HERE, {}, platform) == (HERE / "isthmus.yaml",)


def test_the_first_that_exists_is_taken(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    own = tmp_path / "xdg" / "isthmus" / "isthmus.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert find(tmp_path, environ, "linux") == own
    (tmp_path / "isthmus.yaml").write_text("")
    assert find(tmp_path, environ, "linux") == tmp_path / "isthmus.yaml"


def test_where_there_is_none_the_remedy_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find(tmp_path, {}, "linux")
    assert str(tmp_path / "isthmus.yaml") in raised.value.message
    assert "isthmus init" in raised.value.remedy
    assert "isthmus demo" in raised.value.remedy


@pytest.mark.parametrize(
    ("platform", "environ", "own"),
    [
        ("linux", {"HOME": "/home/ann"}, "/home/ann/.local/share/isthmus"),
        ("linux", {"HOME": "/home/ann", "XDG_DATA_HOME": "/xdg"}, "/xdg/isthmus"),
        ("darwin", {"HOME": "/Users/ann"}, "/Users/ann/Library/Application Support/isthmus"),
        ("win32", {"LOCALAPPDATA": "/AppData", "HOME": "/x"}, "/AppData/isthmus/data"),
    ],
)
def test_data_is_kept_in_the_users_own_folder(platform: str, environ: dict[str, str], own: str) -> None:
    assert data_folder(environ, platform) == Path(own)


def test_without_a_home_the_remedy_says_where_to_name_a_folder_for_data() -> None:
    with pytest.raises(ConfigurationError) as raised:
        data_folder({}, "linux")
    assert "data: /path" in raised.value.remedy
