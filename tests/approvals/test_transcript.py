"""Each way to ask a person, from the real server to a real client: what `python -m tests.approvals` tells is so."""

from pathlib import Path

import pytest

from tests.approvals.transcript import WAYS, Scene

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize("way", WAYS)
async def test_all_that_has_to_be_seen_of_an_approval_is_seen(way: str, tmp_path: Path) -> None:
    lines: list[str] = []
    scene = Scene(tmp_path, lines.append)
    await WAYS[way](scene)
    assert scene.failed == [], "\n".join(lines)
    assert sum(line.startswith("  seen: ") for line in lines) >= 6
