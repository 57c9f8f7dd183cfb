from isthmus.upstreams.backoff import Backoff


def test_delays_double_up_to_the_ceiling() -> None:
    backoff = Backoff(first=1, factor=2, ceiling=10)
    assert [backoff.delay(failures, lambda: 1.0) for failures in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_chance_leaves_at_least_half_of_a_delay() -> None:
    assert Backoff(first=1).delay(1, lambda: 0.0) == 0.5


def test_ten_thousand_failures_do_not_overflow() -> None:
    assert Backoff().delay(10_000, lambda: 1.0) == 60


def test_a_connection_that_lasted_makes_its_end_a_first_failure() -> None:
    assert Backoff(stable=30).failures(7, lasted=30) == 1


def test_a_short_connection_counts_on() -> None:
    assert Backoff(stable=30).failures(7, lasted=29.9) == 8
