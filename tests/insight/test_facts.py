"""What follows from the facts: the account of tokens, what was used most, and where a call stands in a timeline."""

from hypothesis import given
from hypothesis import strategies as st

from isthmus.insight.facts import (
    Cost,
    SkillFact,
    StoppedFact,
    account_of,
    lanes_of,
    operations_of,
    skills_of,
)
from isthmus.model import Effect
from tests.simulators.insight import NOW, call, insight, run


def test_the_account_counts_definitions_once_a_conversation_and_each_answer_once() -> None:
    read = call(argument_tokens=5, answer_tokens=400)
    account = account_of(
        insight(
            run(read, call("shop.list", argument_tokens=7, answer_tokens=1_000)),
            run(read, execution="x-2"),
            run(call("mail.send", effect=Effect.WRITE, argument_tokens=9, answer_tokens=3), session="s-2"),
        )
    )
    assert account.conversations == 2
    assert account.ours == Cost(definitions=1_200, written=60, read=90 + 100)
    assert account.direct == Cost(definitions=2 * 1_800, written=26, read=1_803)
    assert account.ideal == Cost(definitions=100 + 100 + 200, written=26, read=1_803)
    assert account.direct.total == 3_600 + 26 + 1_803
    assert account.undefined == ()


def test_what_was_not_sent_or_was_taken_over_would_have_cost_nothing_more() -> None:
    account = account_of(
        insight(
            run(
                call("shop.drop", status="refused", argument_tokens=5, answer_tokens=80),
                call("shop.get", taken="x-0", argument_tokens=5, answer_tokens=80),
                call("shop.new", status="simulated", argument_tokens=5, answer_tokens=80),
                call("shop.new", status="cancelled", argument_tokens=5, answer_tokens=80),
            )
        )
    )
    assert account.ideal == Cost(0, 0, 0)
    assert account.direct == Cost(1_800, 0, 0)


def test_programs_that_were_refused_before_running_cost_us_and_nobody_else() -> None:
    stopped = StoppedFact("x-2", "ada", NOW, ("line 1: refused",), source_tokens=11, shown_tokens=13)
    without, account = account_of(insight(run())), account_of(insight(run(), stopped=(stopped,)))
    assert account.ours.written - without.ours.written == 11
    assert account.ours.read - without.ours.read == 13
    assert (account.direct, account.ideal) == (without.direct, without.ideal)


def test_upstreams_whose_definitions_are_not_known_are_named() -> None:
    account = account_of(insight(run(call("git.log"))))
    assert account.undefined == ("git",)
    assert account.ideal.definitions == 0


def test_no_execution_costs_nothing() -> None:
    account = account_of(insight(search_tokens=0))
    assert (account.ours.total, account.direct.total, account.conversations) == (0, 0, 0)


def test_operations_are_told_the_most_used_first() -> None:
    one, other = operations_of(
        insight(
            run(call("b.b", ms=10), call("b.b", ms=30, status="failed"), call("b.b", ms=0, status="refused")),
            run(call("a.a"), call("b.b", ms=20), execution="x-2"),
        )
    )
    assert (one.operation, one.calls, one.executions, one.ms) == ("b.b", 4, 2, 20)
    assert one.statuses == {"done": 2, "failed": 1, "refused": 1}
    assert other.operation == "a.a"


def test_an_operation_that_was_never_sent_has_no_time() -> None:
    [use] = operations_of(insight(run(call(status="refused"))))
    assert use.ms is None


def test_skills_are_told_the_most_used_first() -> None:
    often, seldom = SkillFact("often", 4, 1), SkillFact("seldom")
    uses = skills_of(insight(run(skills=(often, seldom)), run(skills=(often,), execution="x-2")))
    assert [(use.name, use.executions, use.calls, use.failures) for use in uses] == [
        ("often", 2, 8, 2),
        ("seldom", 1, 0, 0),
    ]


SPANS = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=60)


@given(spans=SPANS)
def test_calls_in_one_lane_never_overlap_and_no_lane_is_wasted(spans: list[tuple[float, float]]) -> None:
    placed = lanes_of([call(start=start, ms=ms) for start, ms in spans])
    assert len(placed) == len(spans)
    lanes: dict[int, float] = {}
    for lane, each in placed:
        assert lanes.get(lane, 0.0) <= each.start
        assert all(busy > each.start for other, busy in lanes.items() if other < lane), "an earlier lane was free"
        lanes[lane] = each.end
