"""Where skills are kept, as the configuration says it."""

from pathlib import Path

import pytest

from isthmus.config.faults import InvalidConfiguration
from isthmus.config.loader import load


def loaded(tmp_path: Path, text: str) -> str | None:
    path = tmp_path / "isthmus.yaml"
    path.write_text(f"upstreams: {{}}\n{text}\n")
    return load(path, {}).configuration.skills.folder


def test_the_folder_is_looked_for_from_the_file_and_may_not_be_there_yet(tmp_path: Path) -> None:
    assert loaded(tmp_path, "skills: {folder: team}") == str(tmp_path / "team")
    (tmp_path / "team").mkdir()
    assert loaded(tmp_path, "skills: {folder: ./team}") == str(tmp_path / "team")
    assert loaded(tmp_path, "skills: {most: 5}") is None


@pytest.mark.parametrize("folder", ["/dev/zero", "/proc/self", "/sys", "isthmus.yaml", "no/such/place"])
def test_what_is_no_folder_of_a_project_is_refused_with_its_line(tmp_path: Path, folder: str) -> None:
    with pytest.raises(InvalidConfiguration) as raised:
        loaded(tmp_path, f"skills: {{folder: {folder}}}")
    assert ":2: skills.folder: this is no folder, and none can be made here" in str(raised.value)


def test_another_products_key_is_refused_with_ours(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"skills: \{folder"):
        loaded(tmp_path, "skills_dir: ./skills")
