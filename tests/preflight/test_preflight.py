"""Programs held against catalog and policy before they start: what is refused, and what never is."""

import time
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from isthmus.catalog.catalog import Catalog
from isthmus.model import Effect, Principal
from isthmus.policy import Policy
from isthmus.preflight import Known, failure_of, preflight
from isthmus.rules import Rule, Verdict
from isthmus.validation import Validation, argument_check
from tests.simulators.upstream import operation

GET = operation("shop.orders.get", required={"order": {"type": "string"}}, verbose={"type": "boolean"})
LIST = operation("shop.orders.list", status={"type": "string", "enum": ["open", "closed"]})
CANCEL = operation("shop.orders.cancel", Effect.WRITE, required={"order": {"type": "string"}})
REFUND = operation("shop.refunds.create", Effect.WRITE, required={"amount": {"type": "integer"}})
SMALL = Rule(
    "small", Verdict.ALLOW, ("shop.refunds.*",), arguments={"amount": argument_check({"maximum": 100}, strictly=True)}
)
KNOWN = Known(
    Catalog.build((GET, LIST, CANCEL, REFUND)),
    frozenset({"shop"}),
    Policy(rules=(SMALL,)),
    Principal(),
    Validation().check,
    configured=frozenset({"shop", "shapes"}),
)


def found(source: str, known: Known = KNOWN) -> list[tuple[int, str]]:
    return [(each.line, each.type) for each in preflight(source, known)]


def test_all_that_is_wrong_is_told_at_once_with_its_lines() -> None:
    source = """\
orders = await shop.orders.lst(status="open")
one = await shop.orders.get(ordre="o1")
await shop.orders.list(status="opened")
await shop.orders.cancel(order="o1")
await shop.refunds.create(amount=250)
if orders:
    await shop.orders.gett(order="o2")
"""
    findings = preflight(source, KNOWN)
    assert [(each.line, each.type, each.certain) for each in findings] == [
        (1, "NotFound", True),
        (2, "InvalidArguments", True),
        (3, "InvalidArguments", True),
        (4, "Refused", True),
        (5, "Refused", True),
        (7, "NotFound", False),
    ]
    failure = failure_of(findings, source)
    assert failure.line == 1
    for words in (
        "6 calls of this program cannot succeed",
        "line 1: there is no operation 'shop.orders.lst'; did you mean shop.orders.list",
        "did you mean order?",
        "did you mean 'open'?",
        "shop.orders.cancel is a write operation, and only read is allowed",
        "by the rule 'small': amount: 250 is more than 100",
        "line 7, if it is reached: there is no operation 'shop.orders.gett'",
    ):
        assert words in failure.message


def test_one_finding_looks_as_its_exception_would() -> None:
    source = "x = 1\nawait shop.orders.gett(order='o1')"
    failure = failure_of(preflight(source, KNOWN), source)
    assert (failure.type, failure.code, failure.line) == ("NotFound", "not_found", 2)
    assert failure.message == "there is no operation 'shop.orders.gett'"
    assert "did you mean shop.orders.get" in failure.hint
    assert "nothing was called" in failure.hint


@pytest.mark.parametrize(
    "source",
    [
        "await shop.orders.gett()",
        "shop.orders.gett()",
        "x = await shop.orders.gett()",
        "x = shop.orders.gett()\nx.title",
        "print(await shop.orders.gett())",
        "async def main():\n    return await shop.orders.gett()\nawait main()",
        "import asyncio\nasync def main():\n    await shop.orders.gett()\nasyncio.run(main())",
        "async def main():\n    await shop.orders.gett()\nmain()",
        "def main():\n    return shop.orders.gett()\nmain()",
        "async def main():\n    await shop.orders.gett()\nif __name__ == '__main__':\n    await main()",
        "import asyncio\nawait asyncio.gather(shop.orders.list(), shop.orders.gett())",
        "import asyncio\nawait asyncio.gather(*[shop.orders.gett(order=str(i)) for i in range(3)])",
        "import asyncio\nasync with asyncio.timeout(5):\n    await shop.orders.gett()",
        "for name in ['a', 'b']:\n    await shop.orders.gett()",
        "async for page in shop.orders.gett():\n    pass",
        "try:\n    await shop.orders.gett()\nfinally:\n    print('end')",
        "from upstreams import shop\nawait shop.orders.gett()",
        "from upstreams import shop as s\nawait s.orders.gett()",
        "if x := 1:\n    pass\nawait shop.orders.gett()",
        "f'{await shop.orders.gett()}'",
        "await shop.orders.get()",
        "await shop.orders.get('o1', 'o2')",
        "await shop.orders.get('o1', verbos=True)",
        "await shop.orders.get(order=['o1'])",
        "await shop.orders.get({'order': 7})",
        "await shop.orders.cancel(order=some())",
        # by the generic form
        "await call('shop.orders.gett', {'order': 'o1'})",
        "await call('shop.orders.get')",
        "await call('shop.orders.get', {'order': 7})",
        "await call('shop.orders.get', {'order': x, 'verbos': True})",
        "await call('shop.orders.get', order='o1', verbos=True)",
        "await call('shop.orders.cancel', {'order': some()})",
        # by a name that is nearly an upstream's
        "await shop.orders.list()\nawait shopp.orders.list()",
        "await shop.orders.list()\nfor x in [1]:\n    shops.orders.list()",
    ],
)
def test_what_is_certain_to_be_made_and_to_fail_is_refused(source: str) -> None:
    assert len(found(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        # nothing is wrong
        "await shop.orders.get(order='o1')",
        "await shop.orders.get('o1', verbose=True)",
        "await shop.orders.get({'order': 'o1'})",
        "await shop.orders.list(status=None)",
        "await shop.refunds.create(amount=100)",
        # values and names that are computed
        "await shop.orders.get(order=order)",
        "await shop.orders.get(*arguments)",
        "await shop.orders.get(**arguments)",
        "await shop.orders.get(arguments)",
        "await shop.refunds.create(amount=n * 1000)",
        "await getattr(shop.orders, 'gett')()",
        "await call('shop.' + name)",
        "await call('shop.orders.get', arguments)",
        "await call('shop.orders.get', {**arguments})",
        "await call('shop.orders.get', {name: 'o1'})",
        "await call('shop.orders.get', {'order': 'o1'})",
        "await call('other.orders.gett')",
        "call = print\ncall('shop.orders.gett')",
        "def f(call):\n    call('shop.orders.gett')\nf(print)",
        # names that nothing binds, and that are no upstream's, or may be bound
        "await shop.orders.list()\nawait vessel.orders.list()",
        "await shop.orders.list()\nshapes.orders.list()",
        "await shop.orders.list()\nshopp = 1\nshopp.real()",
        "await shop.orders.list()\ndef f(shopp):\n    shopp.x()\nf(1)",
        "await shop.orders.list()\nfrom mine import shopp\nshopp.x()",
        "await shop.orders.list()\nif late:\n    shopp.x()",
        "await shop.orders.list()\ntry:\n    shopp.x()\nexcept NameError:\n    pass",
        "await shop.orders.list()\nshopp",
        # what is only simulated
        "simulate()\nawait shop.orders.cancel(order='o1')",
        "await shop[name]()",
        # names that stand for something else
        "shop = open('x')\nshop.orders.gett()",
        "def f(shop):\n    return shop.orders.gett()\nf(Mock())",
        "import shop\nshop.orders.gett()",
        "from mine import shop\nshop.orders.gett()",
        "for shop in shops:\n    shop.orders.gett()",
        "with x() as shop:\n    shop.orders.gett()",
        "match x:\n    case {'a': shop}:\n        shop.orders.gett()",
        "class shop:\n    orders = 1\nshop.orders.gett()",
        "shop.orders.gett = lambda: 1\nshop.orders.gett()",
        "exec('shop = 1')\nshop.orders.gett()",
        "globals()['shop'] = 1\nshop.orders.gett()",
        "from mine import *\nshop.orders.gett()",
        "import builtins\nbuiltins.shop = 1\nshop.orders.gett()",
        # what may never be reached
        "if late:\n    await shop.orders.gett()",
        "for x in xs:\n    await shop.orders.gett()",
        "for x in range(n):\n    await shop.orders.gett()",
        "while xs:\n    await shop.orders.gett()",
        "def f():\n    shop.orders.gett()",
        "async def f():\n    await shop.orders.gett()\nf()\nprint(1)",
        "f = lambda: shop.orders.gett()",
        "x = ok or await shop.orders.gett()",
        "x = 1 if ok else await shop.orders.gett()",
        "[shop.orders.gett() for x in xs]",
        "x = (shop.orders.gett() for x in [1])",
        "if done:\n    return 1\nawait shop.orders.gett()",
        "return 1\nawait shop.orders.gett()",
        "import sys\nif done:\n    sys.exit()\nawait shop.orders.gett()",
        "raise SystemExit\nawait shop.orders.gett()",
        "for x in [1, 2]:\n    if x:\n        break\n    await shop.orders.gett()",
        "async def f():\n    if x:\n        return\n    await shop.orders.gett()\nawait f()",
        "@cached\nasync def f():\n    await shop.orders.gett()\nawait f()",
        "def f():\n    shop.orders.gett()\nf = print\nf()",
        "def f():\n    yield shop.orders.gett()\nf()",
        "assert ok or shop.orders.gett()",
        # what is heard of
        "try:\n    await shop.orders.gett()\nexcept NotFound:\n    pass",
        "try:\n    await shop.orders.gett()\nexcept* NotFound:\n    pass",
        "async def f():\n    await shop.orders.gett()\ntry:\n    await f()\nexcept Exception:\n    pass",
        "x = shop.orders.gett()\ntry:\n    await x\nexcept NotFound:\n    pass",
        "import contextlib\nwith contextlib.suppress(NotFound):\n    await shop.orders.gett()",
        "with mine():\n    await shop.orders.gett()",
        "import asyncio\nawait asyncio.gather(shop.orders.gett(), return_exceptions=True)",
        "import asyncio\nt = asyncio.ensure_future(shop.orders.gett())\nt.cancel()",
        "import asyncio\ndone, _ = await asyncio.wait([shop.orders.gett()])",
        "try:\n    await shop.orders.gett()\nfinally:\n    return 1",
        "def f():\n    try:\n        return shop.orders.gett()\n    finally:\n        return 1\nf()",
        # what is no program that this interpreter reads
        "```python\nawait shop.orders.gett()\n```",
        "  await shop.orders.gett()\nx",
        '{"thoughts": "", "code": "await shop.orders.gett()"}',
        "await shop.orders.gett(",
        "shop\0",
    ],
)
def test_what_may_run_well_is_never_refused(source: str) -> None:
    assert found(source) == []


def test_what_is_nearly_an_upstream_is_told_as_python_would_with_the_name_that_is_meant() -> None:
    [finding] = preflight("await shop.orders.list()\nawait shopp.orders.list()", KNOWN)
    assert (finding.type, finding.message) == ("NameError", "name 'shopp' is not defined")
    assert finding.hint == "did you mean `shop`?"


def test_a_dry_run_is_refused_only_what_it_would_be_refused() -> None:
    dry = replace(KNOWN, policy=Policy(simulate=True, deny=("shop.refunds.*",)))
    assert found("await shop.orders.cancel(order='o1')", dry) == []
    assert found("await shop.orders.cancel()", dry) == [(1, "InvalidArguments")]
    assert found("await shop.refunds.create(amount=1)", dry) == [(1, "Refused")]


def test_an_upstream_that_is_not_ready_is_left_to_the_gateway() -> None:
    known = Known(KNOWN.catalog, frozenset(), KNOWN.policy, KNOWN.principal, KNOWN.validate)
    assert found("await shop.orders.gett()", known) == []


def test_a_name_that_the_session_has_taken_is_left_alone_unless_it_is_imported_again() -> None:
    known = Known(KNOWN.catalog, KNOWN.upstreams, KNOWN.policy, KNOWN.principal, KNOWN.validate, lambda _: True)
    assert found("await shop.orders.gett()", known) == []
    assert found("from upstreams import shop\nawait shop.orders.gett()", known) == [(2, "NotFound")]


def test_what_policy_hides_is_not_suggested() -> None:
    policy = Policy(deny=("shop.orders.get",))
    [finding] = preflight(
        "await shop.orders.gett()", Known(KNOWN.catalog, KNOWN.upstreams, policy, KNOWN.principal, KNOWN.validate)
    )
    assert "shop.orders.get," not in finding.hint
    assert "shop.orders.get?" not in finding.hint


@given(st.text(alphabet="shop.orders()[]{}'\"\n :=awitfr*-+~\\0", max_size=200))
@example("shop" + "(" * 20_000)
@example("shop = " + "-" * 20_000 + "1")
@example("shop" + ".a" * 15_000 + "()")
@example("x = shop" + " + 1" * 5_000)
@example("shop()" + "()" * 10_000)
@example("shop if a else " * 2_000 + "1")
@example("lambda: " * 3_000 + "shop")
@example("not " * 8_000 + "shop")
@example("await " * 5_000 + "shop")
@example("shop\n" + "\n".join(f"sh{n:03x}.a()" for n in range(3_000)))
@example("\n".join(" " * n + "if shop:" for n in range(150)) + "\n" + " " * 150 + "x")
def test_no_source_breaks_it_or_holds_others_up(source: str) -> None:
    began = time.process_time()
    preflight(source, KNOWN)
    assert time.process_time() - began < 2
