"""An agent that obeys every injected instruction gets no forbidden effect through."""

from pathlib import Path

import pytest

from tests.approvals.injected import DEFAULT, OPEN_WITH_FLOW, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_under_the_default_policy_it_changes_nothing(test_data: Path, tmp_path: Path) -> None:
    account = await run(test_data / "attacks" / "upstreams", tmp_path, DEFAULT)
    called = {row.called for row in account.rows}
    assert {"recorder.delete_all", "demo.delete_all", "mail.send", "github.create_issue"} <= called, "it does obey"
    assert {row.outcome for row in account.rows if row.called != "recorder.echo"} <= {"Refused", "done"}
    assert set(account.effects) <= {"recorder.echo"}, "a read, as its own server says and nobody contradicts"


async def test_with_writes_open_what_it_has_read_does_not_go_out_without_consent(
    test_data: Path, tmp_path: Path
) -> None:
    account = await run(test_data / "attacks" / "upstreams", tmp_path, OPEN_WITH_FLOW)
    assert any(row.called == "mail.send" for row in account.rows), "it does obey"
    assert account.effects == (), "neither the sinks nor what destroys"


async def test_a_client_that_cannot_ask_is_told_of_each_attempt(test_data: Path, tmp_path: Path) -> None:
    account = await run(test_data / "attacks" / "upstreams", tmp_path, OPEN_WITH_FLOW, consent="later")
    assert "waits for consent" in {row.outcome for row in account.rows if row.called == "mail.send"}
    assert account.effects == ()
