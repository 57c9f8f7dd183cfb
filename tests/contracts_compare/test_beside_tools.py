"""What an MCP server has beside tools, in a lock: interfaces are locked, single resources are data."""

from typing import Any

from isthmus.contracts.compare import compare
from isthmus.contracts.hold import BREAKING, held_back
from isthmus.contracts.lock import Lock, locked, read, written
from isthmus.contracts.unlocked import unlocked
from isthmus.contracts.verdicts import Class
from isthmus.model import Operation
from isthmus.upstreams.mcp_beside import Beside, operations_beside, request_of

TEMPLATE = {"uriTemplate": "x://{day}/log", "name": "log"}
PROMPT = {"name": "review", "arguments": [{"name": "code", "required": True}]}


def listed(*, resources: Any = (), prompts: Any = (PROMPT,)) -> tuple[Operation, ...]:
    return operations_beside("notes", Beside(resources, [TEMPLATE], prompts), ()).operations


def lock_of(**lists: Any) -> Lock:
    return read(written(locked(listed(**lists))))


def test_a_lock_has_what_can_be_called_and_not_the_data() -> None:
    lock = lock_of(resources=[{"uri": "x:readme", "name": "readme"}])
    assert list(lock.operations) == [
        "notes.prompts.review",
        "notes.resources.list",
        "notes.resources.log",
        "notes.resources.read",
    ]


def test_a_resource_that_comes_or_goes_changes_no_contract() -> None:
    assert list(compare(lock_of(), lock_of(resources=[{"uri": "x:new", "name": "new"}]))) == []


def test_a_prompt_that_wants_another_argument_is_held_back() -> None:
    wanting = {"name": "review", "arguments": [*PROMPT["arguments"], {"name": "style", "required": True}]}
    now = listed(prompts=[wanting], resources=[{"uri": "x:new", "name": "new"}])
    assert Class.BREAKING in {change.kind for change in compare(lock_of(), locked(now))}
    assert list(held_back(lock_of(), now, {BREAKING})) == ["notes.prompts.review"]


def test_operations_of_a_lock_are_called_as_those_that_were_locked() -> None:
    made = {one.id: one for one in unlocked(lock_of().upstreams["notes"])}
    assert request_of(made["notes.resources.log"], {"day": "1"}) == ("resources/read", {"uri": "x://1/log"})
    assert request_of(made["notes.prompts.review"], {"code": "x"})[1] == {"name": "review", "arguments": {"code": "x"}}
