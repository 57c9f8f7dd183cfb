"""The page: complete by itself, readable without a picture, and harmless whatever stands in it."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.insight.cells import LONG_NAME, MOST_ROWS
from isthmus.insight.executions import MOST_ALIKE, MOST_CALLS
from isthmus.insight.facts import Definitions, RunFact, StoppedFact
from isthmus.insight.markup import joined, tag
from isthmus.insight.page import page
from isthmus.model import Effect
from tests.simulators.insight import NOW, call, insight, run

STYLE = files("isthmus.insight").joinpath("report.css").read_text(encoding="utf-8")
VOID = {"meta", "wbr"}
KNOWN = """html head meta title style body main header section h1 h2 h3 p dl div dt dd span svg rect line
table caption thead tbody tr th td details summary time a code pre figure ul li nav wbr"""
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "&lt;b&gt; &amp;",
    "\u202eevil\u2066\x00\x1b[2J",
    "javascript:alert(1)",
    "--><!--",
)


class Reader(HTMLParser):
    """Reads a page as a browser does, as far as it goes: elements with attributes, text, and whether all is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def read(*runs: RunFact, **more: Any) -> Reader:
    return Reader(page(insight(*runs, **more), STYLE))


def assert_harmless(reader: Reader) -> None:
    known = set(KNOWN.split())
    assert {name for name, _ in reader.elements} <= known
    for name, attributes in reader.elements:
        for key, value in attributes.items():
            assert not key.startswith("on"), (name, key)
            assert key not in {"src", "style", "srcdoc", "action"}, (name, key)
            assert key != "href" or str(value).startswith("#"), value


def test_it_needs_nothing_from_anywhere() -> None:
    reader = read(run(call()))
    assert_harmless(reader)
    assert not re.search(r"url\(|@import|https?:", STYLE)
    [policy] = [each for each in reader.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert str(policy["content"]).startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def hostile_runs() -> Iterator[RunFact]:
    for text in HOSTILE:
        what: Any = {each.name: text for each in fields(RunFact) if each.type == "str"}
        told = call(text, arguments=text, why=text, taken=text, status="refused", effect=Effect.WRITE)
        yield replace(run(told, replace(told, status="failed")), **what, files=(text,), ok=False)


def test_nothing_that_stands_in_it_becomes_markup() -> None:
    reader = read(*hostile_runs(), definitions={text: Definitions(text, 1, 1, 1) for text in HOSTILE})
    assert_harmless(reader)
    assert "<script>alert(1)</script>" in reader.text, "it is shown for what it is"
    assert "\\u202eevil\\u2066\\x00\\x1b[2J" in reader.text


@given(text=st.text(max_size=80))
def test_whatever_a_text_holds_it_is_one_text(text: str) -> None:
    reader = Reader(joined(tag("p", text, title=text)))
    assert [name for name, _ in reader.elements] == ["p"]
    assert set(reader.all("p")[0]) == {"title"}


def test_what_was_changed_and_refused_is_told_call_by_call() -> None:
    reader = read(
        run(
            call("shop.new", effect=Effect.WRITE, arguments='{"n": 1}'),
            call("shop.drop", effect=Effect.DESTRUCTIVE, status="refused", why="the rule 'below'"),
        )
    )
    assert "1 call that change" in reader.text
    assert "the rule 'below'" in reader.text
    assert '{"n": 1}' in reader.text


def test_programs_that_never_ran_are_among_what_was_refused() -> None:
    never = StoppedFact("x-9", "alice", NOW, ("line 3: shop.drop is denied",))
    text = read(run(call()), stopped=(never,)).text
    assert "1 program refused before running" in text
    assert "line 3: shop.drop is denied" in text
    assert "never sent; besides, 1 program before running" in text


def test_nothing_changed_and_nothing_refused_is_said() -> None:
    text = read(run(call())).text
    assert "Nothing: no call that could change anything was made." in text


def test_no_execution_is_a_page_too() -> None:
    reader = read(search_tokens=0, searches=0)
    assert "No execution is on record here" in reader.text
    assert [name for name, _ in reader.elements if name in ("h1", "h2", "table")] == ["h1"]


def test_a_program_that_was_refused_is_told_where_nothing_has_run() -> None:
    stopped = StoppedFact("x-2", "ada", NOW, ("line 3: shop.drop is denied",))
    text = read(search_tokens=0, searches=0, overhead=0, definitions={}, stopped=(stopped,)).text
    assert "line 3: shop.drop is denied" in text
    assert "nothing to compare with" in text


@pytest.mark.parametrize(
    ("source", "gist"),
    [
        ("import asyncio\n# all of them\nawait shop.get()", "await shop.get()"),
        ("import asyncio", "import asyncio"),
        ("", ""),
    ],
)
def test_an_execution_is_headed_by_a_line_that_says_something_of_it(source: str, gist: str) -> None:
    html = page(insight(run(source=source)), STYLE)
    summary = html[html.index("<summary>") : html.index("</summary>")]
    assert summary.endswith(f'<code class="first">{gist}</code>')


def test_every_call_is_in_the_picture_and_those_left_out_of_the_table_are_counted() -> None:
    calls = [call(f"shop.get{n}", start=n * 2.0, ms=5.0) for n in range(MOST_CALLS + 40)]
    reader = read(run(*calls))
    assert "and 40 more calls" in reader.text
    bars = [each for each in reader.all("rect") if each.get("y")]
    picture = [svg for svg in reader.all("svg") if svg.get("role") == "img"]
    assert len(picture) == 1
    assert str(picture[0]["aria-label"]).startswith(f"Timeline of {len(calls)} calls within")
    assert len(bars) == len(calls) + MOST_CALLS + 5  # the picture, the table's strips, and the key


def test_reads_of_one_operation_share_a_row_after_the_first_few() -> None:
    same = [call(start=float(n), ms=10.0 + n, answer_tokens=7) for n in range(1_000)]
    change = call("shop.new", start=500.5, effect=Effect.WRITE)
    failed = call(start=501.5, status="failed")
    reader = read(run(*sorted([*same, change, failed], key=lambda each: each.start)))
    inside = reader.text.split("1,002 calls")[-1]
    assert "and 995 more: their median time, and tokens in all" in inside
    assert "512 ms 6,965" in inside  # of the calls 5 to 999
    assert inside.index("and 995 more") < inside.index("shop.new") < inside.index("failed")
    rows = [each for each in reader.all("svg") if each.get("class") == "strip"]
    assert len(rows) == MOST_ALIKE + 3


def test_one_more_than_the_first_few_is_no_reason_for_a_shared_row() -> None:
    assert "more:" not in read(run(*[call()] * (MOST_ALIKE + 1))).text


def test_a_long_name_may_be_broken_at_its_dots_and_underscores() -> None:
    name = f"shop.{'x' * LONG_NAME}.get_all"
    reader = read(run(call(name)))
    assert "".join(reader.words).count(name) >= 2
    assert len(reader.all("wbr")) == 3 * 3  # three places, in the tables of reads, of uses, and of the execution
    assert not read(run(call("shop.get_all"))).all("wbr")


def test_an_execution_says_whose_it_is_where_there_are_several_principals() -> None:
    reader = read(run(principal="ada"), run(principal="bob"))
    assert [each["class"] for each in reader.all("summary")] == ["named", "named"]
    assert "class" not in read(run(principal="ada")).all("summary")[0]


def test_what_changed_something_is_named_before_reads_are() -> None:
    reads = [call() for _ in range(200)]
    late = call("shop.new", effect=Effect.WRITE)
    reader = read(run(*reads, late, call("shop.drop", status="refused")))
    inside = reader.text.split("Executions")[-1]
    assert "shop.new" in inside
    assert "shop.drop" in inside


def test_a_long_table_says_how_much_is_left_out() -> None:
    changes = [call(f"shop.new{n}", effect=Effect.WRITE) for n in range(MOST_ROWS + 7)]
    assert "and 7 more" in read(run(*changes)).text


def test_bars_stay_in_the_picture_whatever_the_times_are() -> None:
    odd = [call(start=0, ms=0), call(start=1e9, ms=0), call(start=5, ms=1e12), call(start=1e12, ms=1)]
    for bar in read(run(*odd)).all("rect"):
        if "x" in bar:
            assert float(str(bar["x"])) + float(str(bar["width"])) <= 1000.1


def test_the_estimate_says_what_it_is_made_of() -> None:
    text = read(run(call()), definitions={"shop": Definitions("shop", 900, 1_000, 40)}).text
    assert "All tokens are estimates" in text
    assert "for shop taken from a sample" in text
    assert "searches and definitions are missing" in read(run(call("git.log")), audited=False, definitions={}).text
    assert "Not counted, because their definitions are not on record: git" in read(run(call("git.log"))).text


def test_the_tile_compares_with_the_cheaper_of_the_direct_ways() -> None:
    text = read(run(call(answer_tokens=6_500), source_tokens=0, shown_tokens=0), search_tokens=0, overhead=660).text
    assert "6,600, 10.0 times as many" in text


def test_without_data_it_says_so() -> None:
    assert "Made without data" in read(run(call()), with_data=False).text


@pytest.mark.parametrize("ok", [True, False, None])
def test_an_execution_says_how_it_ended(ok: bool | None) -> None:
    text = read(run(ok=ok, code="limit", message="the program was stopped")).text
    assert {True: "ok", False: "failed (limit)", None: "no end"}[ok] in text


def test_each_cell_says_its_head_for_narrow_screens() -> None:
    reader = read(run(call("shop.new", effect=Effect.WRITE)))
    assert all("data-head" in each or "colspan" in each for each in reader.all("td"))
    assert all(each.get("scope") in {"col", "row"} for each in reader.all("th"))


def test_links_lead_to_executions_on_the_page() -> None:
    reader = read(run(call(effect=Effect.WRITE), execution="x-7"))
    linked = {str(each["href"]).removeprefix("#") for each in reader.all("a")}
    assert "x-7" in linked
    assert linked <= {attributes.get("id") for _, attributes in reader.elements}
