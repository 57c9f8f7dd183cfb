"""The demo, played whole: the first thing that a stranger runs."""

from __future__ import annotations

import io
import re

import pytest

from isthmus.demo import run
from isthmus.demo.scenes import SCENES

pytest.importorskip("isthmus.compose")


@pytest.fixture(scope="module")
def played() -> tuple[int, str]:
    out = io.StringIO()
    return run(out), out.getvalue()


def test_every_scene_ends_as_it_should(played: tuple[int, str]) -> None:
    code, transcript = played
    assert "\n! " not in transcript
    assert code == 0


def test_the_transcript_shows_every_scene_without_colour(played: tuple[int, str]) -> None:
    _, transcript = played
    assert all(scene.title in transcript for scene in SCENES)
    assert "\x1b" not in transcript


def test_hundreds_of_answers_were_joined_into_five_lines(played: tuple[int, str]) -> None:
    _, transcript = played
    assert len(re.findall(r"^ +\w+ \w+ \(\w+\): ord_\d+, [\d.]+ EUR, since 2026-", transcript, re.MULTILINE)) == 5
    assert '{"answers":' in transcript


def test_a_write_that_policy_allows_happened_and_one_that_it_does_not_was_never_sent(played: tuple[int, str]) -> None:
    _, transcript = played
    assert "2 writes (tickets.add_comment x2)" in transcript
    refused = "error: Refused at line 2: shop.refunds.create is a write operation, and only read is allowed"
    assert refused in transcript
    assert "(found before the program ran: nothing was called)" in transcript


def test_the_account_is_at_least_ten_times_less(played: tuple[int, str]) -> None:
    _, transcript = played
    together = next(line for line in transcript.splitlines() if "times less" in line)
    assert int(together.split()[-3]) >= 10
