"""One skill from its beginning to its end, in processes of their own: what `python -m tests.skills` prints."""

from pathlib import Path

import pytest

from tests.skills.life import life

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_a_skill_is_saved_found_imported_tracked_broken_mended_and_carried_elsewhere(tmp_path: Path) -> None:
    told: list[str] = []
    assert await life(tmp_path, told.append) == []
    assert [line for line in told if line.startswith("\n11. ")], "there are eleven steps"
