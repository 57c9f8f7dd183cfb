"""Lines from one pipe, answers into another; both real."""

import json
import os
import queue
import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from isthmus.front.wire import AT_ONCE, QUEUED, Arrived, Wire
from tests.simulators.mcp_messages import call, initialize, request
from tests.simulators.waiting import SOON

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes that can be polled")


class Client:
    """The other ends of a wire's pipes."""

    def __init__(self) -> None:
        self._incoming, self.to_wire = os.pipe()
        self.from_wire, self._outgoing = os.pipe()
        self._rest = b""
        self._left = False
        self.news = threading.Semaphore(0)
        self.wire = Wire(self._incoming, self._outgoing)
        self._reader = self.wire.start()

    def say(self, *messages: Any) -> None:
        for message in messages:
            os.write(self.to_wire, json.dumps(message).encode() + b"\n")

    def hear(self) -> Any:
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.from_wire], [], [], SOON)
            assert ready, "nothing was said in time"
            self._rest += os.read(self.from_wire, 65_536)
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def take(self) -> Arrived | None:
        """The next that the session gets."""
        while True:
            try:
                return self.wire.take()
            except queue.Empty:
                assert self.news.acquire(timeout=SOON), "nothing arrived in time"

    def leave(self) -> None:
        if not self._left:
            os.close(self.to_wire)
        self._left = True

    def close(self) -> None:
        """Leave, and wait until nobody reads any more: the number of a descriptor that is closed is given again."""
        self.leave()
        self._reader.join(SOON)
        for descriptor in (self.from_wire, self._incoming, self._outgoing):
            os.close(descriptor)


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a wire that is read."""
    client = Client()
    yield client
    client.close()


@pytest.fixture
def session(client: Client) -> Client:
    """A client of a wire that has been handed over."""
    client.wire.hand_over(client.news.release)
    return client


def test_the_first_requests_are_answered_before_there_is_a_session(client: Client) -> None:
    client.say(initialize())
    assert client.hear()["result"]["serverInfo"]["name"] == "isthmus"
    client.say({"jsonrpc": "2.0", "method": "notifications/initialized"}, request("tools/list", {}, 2))
    assert [tool["name"] for tool in client.hear()["result"]["tools"]] == ["search", "execute"]


def test_the_session_gets_every_message_in_order_and_knows_which_have_been_answered(client: Client) -> None:
    messages = [initialize(), {"jsonrpc": "2.0", "method": "notifications/initialized"}, call("1"), request("ping")]
    client.say(*messages)
    assert [client.hear()["id"] for _ in range(2)] == ["init", 1]
    client.wire.hand_over(client.news.release)
    arrived = [client.take() for _ in messages]
    assert [each.message for each in arrived if each] == messages
    assert [each.answered for each in arrived if each] == [True, False, False, True]


def test_after_the_hand_over_nothing_is_answered_but_what_is_no_message(session: Client) -> None:
    session.say(initialize(), [], request("ping"))
    assert session.hear()["error"]["code"] == -32600
    assert session.take() == Arrived(initialize(), answered=False)
    assert session.take() == Arrived(request("ping"), answered=False)


def test_the_end_comes_after_all_that_was_said_and_stays(session: Client) -> None:
    session.say(request("ping"))
    os.write(session.to_wire, json.dumps(request("ping", identity=2)).encode())  # in the middle of a line
    session.leave()
    assert [session.take(), session.take()] == [
        Arrived(request("ping"), answered=False),
        Arrived(request("ping", identity=2), answered=False),
    ]
    assert [session.take(), session.take()] == [None, None]


def test_an_end_in_the_middle_of_a_message_is_answered_and_then_the_end(session: Client) -> None:
    os.write(session.to_wire, b'{"jsonrpc": "2.0", "id": 1, "me')
    session.leave()
    assert session.hear()["error"]["code"] == -32700
    assert session.take() is None


def test_a_client_that_floods_waits_and_loses_nothing(session: Client) -> None:
    count = QUEUED * 3
    talking = threading.Thread(target=lambda: session.say(*(request("ping", identity=each) for each in range(count))))
    talking.start()
    seen = [session.take() for _ in range(count)]
    talking.join(SOON)
    assert [each.message["id"] for each in seen if each] == list(range(count))


def test_lines_that_are_written_at_once_do_not_mix(session: Client) -> None:
    lines = [json.dumps(["x" * size, size]).encode() + b"\n" for size in (300_000, 10, 200_000)]
    writing = [threading.Thread(target=session.wire.write, args=(line,)) for line in lines]
    for thread in writing:
        thread.start()
    heard = sorted(session.hear()[1] for _ in lines)
    assert heard == [10, 200_000, 300_000]
    for thread in writing:
        thread.join(SOON)


def test_what_does_not_fit_at_once_is_left_to_who_can_wait(session: Client) -> None:
    assert session.wire.try_write(b"1\n")
    assert not session.wire.try_write(b"1" * AT_ONCE + b"\n")
    while session.wire.try_write(b"2" * (AT_ONCE - 1) + b"\n"):
        pass  # until the pipe is full
    assert session.hear() == 1


def test_a_client_that_does_not_listen_is_an_error_of_the_writer(session: Client) -> None:
    heard = session.from_wire
    os.close(heard)
    with pytest.raises(BrokenPipeError):
        session.wire.try_write(b"1\n")
    with pytest.raises(BrokenPipeError):
        session.wire.write(b"1\n")
    session.leave()
    session.from_wire = os.open(os.devnull, os.O_RDONLY)
