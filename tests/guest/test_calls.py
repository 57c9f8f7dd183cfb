"""Calls with `await` and without: what is sent, when, and what comes of it."""

import textwrap
from typing import Any

import pytest

from tests.simulators.guest_host import Sandbox


def dedent(text: str) -> str:
    return textwrap.dedent(text).strip()


def sizes(box: Sandbox) -> list[int]:
    return [len(step["requests"]) for step in box.host.steps if step["requests"]]


def test_an_awaited_call_gives_its_value_and_says_that_it_was_awaited(box: Sandbox) -> None:
    assert box.value("await github.issues.get(number=1)") == {"operation": "github.issues.get", "number": 1}
    assert [(request.operation, request.awaited) for request in box.host.requests] == [("github.issues.get", True)]


def test_simulate_asks_the_host_before_what_comes_after_it_is_sent(box: Sandbox) -> None:
    box.host.answer("isthmus.simulate", ("value", None))
    assert box.value("simulate()\nawait github.issues.close(number=1)")["number"] == 1
    assert sizes(box) == [1, 1]
    assert [request.operation for request in box.host.requests] == ["isthmus.simulate", "github.issues.close"]


def test_uses_names_operations_groups_and_globs_before_what_comes_after_it_is_sent(box: Sandbox) -> None:
    box.host.answer("isthmus.uses", ("value", None))
    assert box.value("uses(github.issues.get, github.pulls, 'a.*')\nawait github.issues.get(number=1)")["number"] == 1
    said, _ = box.host.requests
    assert said.arguments == {"operations": ["github.issues.get", "github.pulls", "a.*"]}
    assert sizes(box) == [1, 1]


def test_a_call_without_await_gives_its_value_and_says_that_it_was_not_awaited(box: Sandbox) -> None:
    assert box.value("github.issues.get(number=1)['number']") == 1
    assert not box.host.requests[0].awaited


def test_fifty_calls_made_and_then_touched_leave_in_one_step(box: Sandbox) -> None:
    source = "calls = [github.get(n=i) for i in range(50)]\nsum(call.n for call in calls)"
    assert box.value(source) == sum(range(50))
    assert sizes(box) == [50]


def test_gathered_calls_leave_in_one_step_and_count_as_awaited(box: Sandbox) -> None:
    source = "found = await asyncio.gather(*[github.get(n=i) for i in range(50)])\n[x.n for x in found]"
    assert box.value(source) == list(range(50))
    assert sizes(box) == [50]
    assert all(request.awaited for request in box.host.requests)


@pytest.mark.parametrize(
    "source",
    [
        "async with asyncio.TaskGroup() as group:\n    a = group.create_task(github.get(n=1))\n[a.result().n]",
        "[(await asyncio.wait_for(github.get(n=1), 5)).n]",
        "[(await each).n for each in asyncio.as_completed([github.get(n=1)])]",
        "[(await asyncio.create_task(github.get(n=1))).n]",
        "[(await asyncio.shield(github.get(n=1))).n]",
        "done, _ = await asyncio.wait([github.get(n=1)])\n[task.result().n for task in done]",
        "[(await asyncio.to_thread(lambda: github.get(n=1)))['n']]",
        "async def main():\n    return [(await github.get(n=1)).n]\nasyncio.run(main())",
        "async def main():\n    return [(await github.get(n=1)).n]\nasyncio.get_event_loop().run_until_complete(main())",  # noqa: E501 (a program in one line)
        "[asyncio.run(github.get(n=1)).n]",
        "with asyncio.Runner() as runner:\n    x = [runner.run(github.get(n=1)).n]\nx",
        "async def inner():\n    return github.get(n=1)['n']\n[await inner()]",
        "async def inner():\n    return [asyncio.run(deep())]\nasync def deep():\n    return (await github.get(n=1)).n\nawait inner()",  # noqa: E501 (a program in one line)
        "queue = asyncio.Queue()\nasync def put():\n    await queue.put((await github.get(n=1)).n)\n"
        "task = asyncio.create_task(put())\nx = [await queue.get()]\nawait task\nx",
        "async with asyncio.Lock():\n    x = [(await github.get(n=1)).n]\nx",
    ],
)
def test_whatever_asyncio_does_with_awaitables_it_does_with_calls(box: Sandbox, source: str) -> None:
    assert box.value(f"import asyncio\n{source}") == [1]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("c['a']", 5),
        ("c.a", 5),
        ("len(c)", 2),
        ("list(c)", ["a", "b"]),
        ("'a' in c", True),
        ("bool(c)", True),
        ("c == {'a': 5, 'b': [1, 2]}", True),
        ("{'a': 5, 'b': [1, 2]} == c", True),
        ("str(c)", "{'a': 5, 'b': [1, 2]}"),
        ("f'{c}'", "{'a': 5, 'b': [1, 2]}"),
        ("repr(c)", "{'a': 5, 'b': [1, 2]}"),
        ("{**c}", {"a": 5, "b": [1, 2]}),
        ("dict(c)", {"a": 5, "b": [1, 2]}),
        ("dict(**c)", {"a": 5, "b": [1, 2]}),
        ("isinstance(c, dict)", True),
        ("isinstance(c, list)", False),
        ("isinstance(c, collections.abc.Mapping)", True),
        ("json.loads(json.dumps(c))", {"a": 5, "b": [1, 2]}),
        ("json.loads(json.dumps([c], default=str))", [{"a": 5, "b": [1, 2]}]),
        ("sorted(c)", ["a", "b"]),
        ("c | {'d': 1}", {"a": 5, "b": [1, 2], "d": 1}),
        ("{'d': 1} | c", {"a": 5, "b": [1, 2], "d": 1}),
        ("c.get('zz', 7)", 7),
        ("sorted(c.items())", [["a", 5], ["b", [1, 2]]]),
        ("c is None", False),
        ("copy.deepcopy(c)", {"a": 5, "b": [1, 2]}),
        ("pickle.loads(pickle.dumps(c))", {"a": 5, "b": [1, 2]}),
        ("[c]", [{"a": 5, "b": [1, 2]}]),
        ("c", {"a": 5, "b": [1, 2]}),
    ],
)
def test_a_call_that_comes_to_a_dict_is_as_good_as_one(box: Sandbox, expression: str, value: Any) -> None:
    box.host.answer("github.get", ("value", {"a": 5, "b": [1, 2]}))
    assert box.value(f"import json, copy, pickle, collections.abc\nc = github.get()\n{expression}") == value
    assert len(box.host.requests) == 1


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        *(("c + 1", 8), ("1 + c", 8), ("c * 2", 14), ("2 - c", -5), ("-c", -7), ("c // 2", 3), ("2 ** c", 128)),
        *(("divmod(c, 2)", [3, 1]), ("abs(c)", 7), ("int(c)", 7), ("float(c)", 7.0), ("round(c / 2, 1)", 3.5)),
        *(("c < 8", True), ("8 > c", True), ("max(c, 3)", 7), ("sum([c, c])", 14), ("list(range(c))[-1]", 6)),
        *(("{7: 'x'}[c]", "x"), ("c in {7}", True), ("[0] * c == [0] * 7", True), ("f'{c:03d}'", "007")),
        *(("'%d' % c", "7"), ("c & 3", 3), ("c << 1", 14), ("hash(c) == hash(7)", True), ("c == 7 and c != 8", True)),
        ("isinstance(c, int)", True),
    ],
)
def test_a_call_that_comes_to_a_number_is_as_good_as_one(box: Sandbox, expression: str, value: Any) -> None:
    box.host.answer("github.count", ("value", 7))
    assert box.value(f"c = github.count()\n{expression}") == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        *(("'<' + c", "<ab"), ("c + '>'", "ab>"), ("c.upper()", "AB"), ("c[0]", "a"), ("len(c)", 2)),
        *(("c * 2", "abab"), ("'a' in c", True), ("sorted(c)", ["a", "b"]), ("'%s' % c", "ab"), ("{'ab': 1}[c]", 1)),
    ],
)
def test_a_call_that_comes_to_text_is_as_good_as_one(box: Sandbox, expression: str, value: Any) -> None:
    box.host.answer("github.name", ("value", "ab"))
    assert box.value(f"c = github.name()\n{expression}") == value


def test_a_call_that_comes_to_nothing_is_none_and_is_matched(box: Sandbox) -> None:
    box.host.answer("github.nothing", ("value", None))
    source = "c = github.nothing()\nx = c is None\nmatch github.get(n=3):\n    case {'n': n}: pass\n[x, c is not None, n, not c]"  # noqa: E501 (a program in one line)
    assert box.value(source) == [True, False, 3, True]


def test_a_call_is_an_argument_of_another_call(box: Sandbox) -> None:
    box.value("github.second(given=github.first(n=1))['given']['n']")
    assert box.host.requests[1].arguments == {"given": {"operation": "github.first", "n": 1}}


def test_positional_arguments_travel_by_place(box: Sandbox) -> None:
    box.value("await github.get(1, 'two', three=3)")
    request = box.host.requests[0]
    assert (request.positional, request.arguments) == ([1, "two"], {"three": 3})


def test_the_generic_form_takes_an_id_and_arguments(box: Sandbox) -> None:
    source = 'await call("github.issues.get", {"number": 1}, more=2)'
    assert box.value(source) == {"operation": "github.issues.get", "number": 1, "more": 2}
    assert "takes the arguments as a dict" in box.error('call("github.get", 5)')["message"]


def test_a_call_that_nobody_touches_is_sent_and_waited_for(box: Sandbox) -> None:
    assert box.value("github.create(n=1)\ngithub.create(n=2)\n5") == 5
    assert [request.arguments["n"] for request in box.host.requests] == [1, 2]


def test_a_call_before_a_failure_is_still_sent(box: Sandbox) -> None:
    assert box.error("github.create(n=1)\n1/0")["type"] == "ZeroDivisionError"
    assert len(box.host.requests) == 1


def test_a_call_made_for_its_effect_alone_fails_where_it_stands(box: Sandbox) -> None:
    box.host.fail("github.delete", "Refused", "only read is allowed")
    source = dedent("""
        try:
            github.delete(n=1)
            told = "deleted"
        except Refused as refusal:
            told = str(refusal)
        told
    """)
    assert box.value(source) == "only read is allowed"


def test_gathered_calls_count_as_awaited_however_long_the_program_took_before(box: Sandbox) -> None:
    box.run("import asyncio")
    box.host.now = 10.0  # long after the last exchange, which is when events are looked for
    box.run("await asyncio.gather(*[github.create(n=n) for n in range(3)])")
    assert [request.awaited for request in box.host.requests] == [True] * 3


def test_the_first_error_that_nobody_heard_is_the_programs_and_the_others_are_noted(box: Sandbox) -> None:
    box.host.fail("github.a", "PermissionDenied", "no", code="permission_denied")
    box.host.fail("github.b", "NotFound", "nowhere")
    outcome = box.run("x = 1\na = github.a()\nb = github.b()\n5")
    assert (outcome["error"]["type"], outcome["error"]["line"]) == ("PermissionDenied", 2)
    assert outcome["error"]["code"] == "permission_denied"
    assert outcome["notes"] == ["github.b failed too, and nothing awaited it: NotFound: nowhere"]


def test_an_error_that_was_caught_is_heard(box: Sandbox) -> None:
    box.host.fail("github.a", status=404, body={"message": "x"}, hint="look elsewhere")
    source = dedent("""
        try:
            github.a().title
        except NotFound as error:
            found = [error.status, error.body.message, error.hint, str(error)]
        found
    """)
    assert box.value(source) == [404, "x", "look elsewhere", "not there"]


def test_errors_are_raised_where_the_program_waits(box: Sandbox) -> None:
    box.host.fail("github.a")
    assert box.error("c = github.a()\nd = 1\nawait c")["line"] == 3
    assert box.error("c = github.a()\nd = 1\nprint(c)")["line"] == 3


@pytest.mark.parametrize(
    ("payload", "check"),
    [
        ({"type": "Refused", "message": "m", "remedy": "ask"}, "isinstance(e, Refused) and e.remedy == 'ask'"),
        (
            {"type": "LimitExceeded", "message": "m", "limit": "calls"},
            "isinstance(e, LimitExceeded) and e.limit == 'calls'",
        ),
        (
            {"type": "RateLimited", "message": "m", "retry_after": 3},
            "isinstance(e, UpstreamError) and e.retry_after == 3",
        ),
        ({"type": "Strange", "message": "m"}, "type(e) is UpstreamError"),
        (
            {"type": "UpstreamUnavailable", "message": "m", "status": 503},
            "type(e) is UpstreamUnavailable and e.status == 503",
        ),
    ],
)
def test_errors_are_of_the_named_class(box: Sandbox, payload: dict[str, Any], check: str) -> None:
    box.host.answer("github.a", ("error", payload))
    source = f"try:\n    await github.a()\nexcept Exception as error:\n    e = error\n{check}"
    assert box.value(source) is True


def test_a_timeout_abandons_the_call(box: Sandbox) -> None:
    box.host.answer("github.slow", ("value", 1), after=60)
    source = "import asyncio\nasync with asyncio.timeout(1):\n    await github.slow()"
    assert box.error(source)["type"] == "TimeoutError"
    assert box.host.cancelled == [box.host.requests[0].call]
    assert box.host.now == 1


def test_a_call_that_is_cancelled_before_it_left_is_never_sent(box: Sandbox) -> None:
    source = "import asyncio\ntask = asyncio.create_task(github.a())\ntask.cancel()\nawait asyncio.sleep(0)\n5"
    assert box.value(source) == 5
    assert box.host.requests == []


def test_a_stream_is_iterated_as_it_comes(box: Sandbox) -> None:
    box.host.answer("github.list", ("item", [1]), ("item", [2]), ("end", None))
    assert box.value("found = []\nasync for page in github.list():\n    found += page\nfound") == [1, 2]


def test_a_stream_that_is_not_iterated_is_the_list_of_its_items(box: Sandbox) -> None:
    box.host.answer("github.list", ("item", 1), ("item", 2), ("end", None))
    assert box.value("[await github.list(), list(github.list())]") == [[1, 2], [1, 2]]


def test_a_plain_answer_can_be_iterated_as_a_stream(box: Sandbox) -> None:
    box.host.answer("github.list", ("value", [1, 2]))
    box.host.answer("github.one", ("value", {"n": 1}))
    assert box.value("[x async for x in github.list()] + [x.n async for x in github.one()]") == [1, 2, 1]


def test_a_stream_that_is_left_is_abandoned(box: Sandbox) -> None:
    box.host.answer("github.list", ("item", 1), ("item", 2))
    assert box.value("async for x in github.list():\n    break\ngithub.other()\nx") == 1
    assert len(box.host.cancelled) == 1


def test_a_stream_can_end_in_an_error(box: Sandbox) -> None:
    box.host.answer("github.list", ("item", 1), ("error", {"type": "RateLimited", "message": "slow down"}))
    source = "seen = []\ntry:\n    async for x in github.list():\n        seen.append(x)\nexcept RateLimited:\n    seen.append('limit')\nseen"  # noqa: E501 (a program in one line)
    assert box.value(source) == [1, "limit"]


def test_events_of_other_calls_are_kept_while_one_is_waited_for(box: Sandbox) -> None:
    box.host.answer("github.slow", ("value", "slow"), after=2)
    box.host.answer("github.fast", ("value", "fast"), after=1)
    source = dedent("""
        import asyncio
        fast = asyncio.create_task(github.fast())
        await asyncio.sleep(0)
        slow = github.slow().upper()
        [slow, await fast]
    """)
    assert box.value(source) == ["SLOW", "fast"]
    assert box.host.now == 2


def test_upstreams_can_be_imported(box: Sandbox) -> None:
    source = dedent("""
        import upstreams, upstreams.github
        from upstreams import github as g, NotFound
        from upstreams.errors import NotFound as N
        from isthmus import call, RateLimited
        import upstreams.files as f
        [g.get(n=1).n, upstreams.files.get(n=2).n, N is NotFound, f.get(n=3).n]
    """)
    assert box.value(source) == [1, 2, True, 3]
    assert box.error("from upstreams import gitlab")["type"] == "ImportError"
    assert box.error("import github")["hint"] == "`github` is there without an import"


def test_names_of_upstreams_come_and_go_with_programs(box: Sandbox) -> None:
    assert box.value("await github.get(n=1)")["n"] == 1
    box.upstreams = ["tracker"]
    assert box.error("github.get()")["type"] == "NameError"
    assert box.value("tracker.get(n=2).n") == 2


def test_a_name_of_the_program_hides_an_upstream(box: Sandbox) -> None:
    assert box.value("github = 5\ngithub") == 5
    assert box.value("github") == 5
    assert box.value("del github\ngithub.get(n=1).n") == 1


def test_operations_explain_themselves(box: Sandbox) -> None:
    box.host.answer("isthmus.dir", ("value", ["issues", "pulls"]))
    box.host.answer("isthmus.help", ("value", "create(title) -> Issue"))
    box.host.answer("isthmus.search", ("value", "found"))
    outcome = box.run("help(github.issues.create)\nhelp(len)\n[dir(github), repr(github.issues), search('x', limit=2)]")
    assert outcome["value"][0] == ["issues", "pulls"]
    assert "github.issues" in outcome["value"][1]
    assert outcome["value"][2] == "found"
    assert outcome["output"].startswith("create(title) -> Issue\n")
    assert "len(obj, /)" in outcome["output"]
    assert box.host.requests[0].arguments == {"operation": "github.issues.create"}


@pytest.mark.parametrize(
    "source", ["await github.issues", "for x in github.issues: pass", "github.issues + 1", "len(github)"]
)
def test_a_name_that_was_not_called_says_so(box: Sandbox, source: str) -> None:
    error = box.error(source)
    assert error["type"] == "TypeError"
    assert "call" in error["hint"]


def test_text_that_must_be_real_gets_a_hint(box: Sandbox) -> None:
    box.host.answer("github.name", ("value", "ab"))
    assert "write `await`" in box.error("', '.join([github.name()])")["hint"]
