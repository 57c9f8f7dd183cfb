"""Skills by words, and by what became of their calls."""

from __future__ import annotations

import pytest

from isthmus.skills.ranking import DAY, FRESH, by_worth, ranked, worth
from isthmus.skills.skill import Kept, Listed, Skill, Usage
from isthmus.skills.stubs import overview, shown, stub

NOW = 1_000 * DAY
NEW = worth(Usage(), NOW, NOW)


def listed(name: str, description: str, *uses: str) -> Listed:
    return Listed(Kept(Skill(name, description, f"def {name}(a: int): pass\n", uses=uses)))


SKILLS = [
    (listed("late_orders", "Orders that are still not delivered.", "shop.orders.list"), NEW),
    (listed("normalise_address", "A postal address in one spelling."), NEW),
    (listed("close_old_issues", "Close issues nobody touched for a year.", "tracker.issues.update"), NEW),
]


def names(query: str) -> list[str]:
    return [each.skill.name for each in ranked(query, SKILLS)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("which orders are late", ["late_orders"]),
        ("normalise an address", ["normalise_address"]),
        ("close old issues in the tracker", ["close_old_issues"]),
        ("postal address", ["normalise_address"]),
        ("send an e-mail to the customer", []),
        ("list invoices", []),
        ("", []),
        ("the of and", []),
    ],
)
def test_a_query_finds_the_skills_that_it_is_about_and_no_others(query: str, found: list[str]) -> None:
    assert names(query) == found


def test_what_works_rises_and_what_fails_sinks() -> None:
    good, bad = Usage(20, 20, 50, 0, NOW), Usage(20, 20, 50, 45, NOW)
    assert worth(good, NOW, NOW) > NEW > worth(bad, NOW, NOW)


def test_programs_that_had_to_be_stopped_count_as_failures() -> None:
    assert worth(Usage(10, 2, 8, 0, NOW), NOW, NOW) < worth(Usage(10, 10, 8, 0, NOW), NOW, NOW)


def test_what_nobody_uses_sinks_after_a_month() -> None:
    used = Usage(5, 5, 5, 0, NOW)
    ages = [worth(used, 0, NOW + FRESH * months) for months in (0, 1, 2, 4, 40)]
    assert ages[0] == ages[1] > ages[2] > ages[3] >= ages[4] > 0


def test_what_is_broken_sinks_most() -> None:
    assert worth(Usage(5, 5, 50, 0, NOW), NOW, NOW, broken=True) < NEW


def test_the_more_useful_of_two_that_fit_comes_first() -> None:
    first, second = listed("late_orders", "Late orders."), listed("late_order_list", "Late orders.")
    assert [each.skill.name for each in ranked("late orders", [(first, 0.5), (second, 1.5)])] == [
        "late_order_list",
        "late_orders",
    ]
    assert by_worth([(first, 0.5), (second, 1.5)])[0] is second


def test_a_stub_says_how_to_import_it_and_what_is_known_of_it() -> None:
    skill = Skill(
        "late", 'Late """ ones\\', "async def late(n: int = 3) -> list: ...\n", 2, ("shop.get", "shop.put"), "late(4)"
    )
    each = Listed(Kept(skill), Usage(4, 4, 12, 1, NOW), ("shop.get is gone",), ("shop.put",))
    text = stub(each)
    assert text.split("\n")[:3] == [
        "# skills.late [writes shop.put; version 2; 12 calls, 1 failed; not reviewed by a person; "
        "BROKEN: shop.get is gone]",
        "from skills import late",
        "async def late(n: int=3) -> list:",
    ]
    assert text.endswith("    # for example: late(4)")
    compile(text, "stub", "exec")


def test_what_does_not_fit_is_counted() -> None:
    every = [listed(f"skill_{n}", "A description of a skill that does something.") for n in range(40)]
    text = shown(every, 300)
    assert "from skills import skill_0" in text
    left = int(text.rpartition("# ")[2].split(" ")[0])
    assert left + text.count("# skills.skill_") == 40


def test_no_skills_are_no_text() -> None:
    assert (shown([], 100), overview([])) == ("", "")
