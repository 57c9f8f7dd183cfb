from hypothesis import given
from hypothesis import strategies as st

from isthmus.upstreams.lines import EDGE, LineSplitter, Oversize


def fed(splitter: LineSplitter, chunks: list[bytes]) -> list[bytes | Oversize]:
    return [line for chunk in chunks for line in splitter.feed(chunk)] + list(splitter.end())


@given(st.lists(st.binary(max_size=20) | st.just(b"\n"), max_size=30))
def test_lines_are_the_same_however_the_stream_is_cut(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert fed(LineSplitter(limit=10_000), chunks) == expected


@given(st.lists(st.binary(max_size=20) | st.just(b"\n"), max_size=30), st.integers(1, 30))
def test_only_lines_over_the_limit_are_lost_and_their_sizes_are_told(chunks: list[bytes], limit: int) -> None:
    lines = fed(LineSplitter(limit), chunks)
    for line, whole in zip(lines, b"".join(chunks).split(b"\n"), strict=False):
        if len(whole) <= limit:
            assert line == whole
        else:
            assert isinstance(line, Oversize)
            assert line.size == len(whole)
            assert whole.startswith(line.head)
            assert whole.endswith(line.tail)


def test_a_line_without_end_takes_no_memory_beyond_its_limit() -> None:
    splitter = LineSplitter(limit=100_000)
    for _ in range(1000):
        assert list(splitter.feed(b"x" * 65_536)) == []
    (line,) = splitter.feed(b"\n")
    assert isinstance(line, Oversize)
    assert (len(line.head), len(line.tail), line.size) == (EDGE, EDGE, 65_536_000)
    assert list(splitter.feed(b"next\n")) == [b"next"]


def test_a_line_at_the_limit_is_kept_whole() -> None:
    assert fed(LineSplitter(limit=5), [b"12345\n123456\n"]) == [b"12345", Oversize(b"123456", b"123456", 6)]
