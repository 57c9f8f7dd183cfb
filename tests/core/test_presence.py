"""Who has been here lately."""

from isthmus.model import Principal
from isthmus.service.presence import RECENT, Presence

ALICE, BOB = Principal("alice"), Principal("bob")


def test_who_came_lately_is_there_and_who_did_not_is_forgotten() -> None:
    now = 0.0
    presence = Presence(lambda: now)
    assert not presence.several()
    presence.note(ALICE)
    presence.note(ALICE)
    assert not presence.several()
    presence.note(BOB)
    assert presence.several()
    now = 0.9 * RECENT
    presence.note(ALICE)
    now = 1.5 * RECENT
    assert not presence.several()
    presence.note(BOB)
    assert presence.several()
