"""The folder for what outlives a server."""

import os
from pathlib import Path

import pytest

from isthmus.compose import data_of
from isthmus.config.model import Configuration
from isthmus.errors import ConfigurationError
from isthmus.stores.data import prepared

posix = pytest.mark.skipif(os.name == "nt", reason="modes as POSIX has them")


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "share" / "isthmus")
    assert folder.is_dir()
    assert os.name == "nt" or folder.stat().st_mode & 0o777 == 0o700
    assert prepared(folder) == folder


@posix
def test_one_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    with pytest.raises(ConfigurationError) as raised:
        prepared(folder)
    assert "open to others (mode 755)" in raised.value.message
    assert raised.value.remedy == f"chmod 700 {folder}"


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as raised:
        prepared(tmp_path / "file")
    assert "name another" in raised.value.remedy


def test_the_configuration_names_it_from_its_own_folder(tmp_path: Path) -> None:
    assert data_of(Configuration(data="kept"), tmp_path) == tmp_path / "kept"
