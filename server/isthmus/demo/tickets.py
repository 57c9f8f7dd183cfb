"""The demo's support desk: an MCP server over stdio, with the official SDK. Run: `python -m isthmus.demo.tickets`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from isthmus.demo import data

PAGE = 20
READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)

Status = Literal["open", "closed"]
TicketId = Annotated[int, Field(description="The ticket's number", ge=1)]


class Message(BaseModel):
    """One message of a conversation."""

    sender: str = Field(description="`customer` or `desk`")
    text: str


class TicketLine(BaseModel):
    """A ticket as the list shows it."""

    id: int
    status: Status
    subject: str
    opened: str = Field(description="ISO date")


class Ticket(TicketLine):
    """A whole ticket."""

    topic: str
    order: str = Field(description="The shop's id of the order that it is about, `ord_12`")
    customer: str = Field(description="The shop's id of the customer, `cus_7`")
    messages: list[Message]


class TicketPage(BaseModel):
    """One page of tickets, oldest number first."""

    tickets: list[TicketLine]
    page: int
    pages: int


class Agent(BaseModel):
    """A member of the support desk."""

    id: str
    name: str
    load: int = Field(description="Open tickets assigned")


class Desk:
    """The tickets and what has been done to them since the server started."""

    def __init__(self) -> None:
        self._tickets = {number: data.ticket(number) for number in range(1, data.TICKETS + 1)}
        self._assigned: dict[int, str] = {}

    def find(self, number: int) -> dict[str, Any]:
        """The ticket of this number, to be read or changed."""
        if number not in self._tickets:
            raise ToolError(f"ticket {number} not found; there are 1 to {len(self._tickets)}")
        return self._tickets[number]

    def page(self, status: Status | None, word: str, page: int) -> TicketPage:
        """A page of the tickets that have this status and this word in their subject or messages."""
        found = [
            ticket
            for ticket in self._tickets.values()
            if status in (None, ticket["status"])
            and word.lower() in f"{ticket['subject']} {ticket['messages']}".lower()
        ]
        shown = found[(page - 1) * PAGE : page * PAGE]
        return TicketPage(tickets=[_line(ticket) for ticket in shown], page=page, pages=-(-len(found) // PAGE))

    def say(self, number: int, text: str) -> Ticket:
        """Add a message of the desk."""
        self.find(number)["messages"].append({"from": "desk", "text": text})
        return _whole(self.find(number))

    def assign(self, number: int, agent: str) -> None:
        """Give a ticket to an agent."""
        self.find(number)
        self._assigned[number] = agent

    def load(self, agent: str) -> int:
        """How many tickets an agent has."""
        return sum(assigned == agent for assigned in self._assigned.values())

    def remove(self, number: int) -> None:
        """Delete a ticket for good."""
        self.find(number)
        del self._tickets[number]


def _line(ticket: dict[str, Any]) -> TicketLine:
    return TicketLine.model_validate({name: ticket[name] for name in TicketLine.model_fields})


def _whole(ticket: dict[str, Any]) -> Ticket:
    messages = [Message(sender=message["from"], text=message["text"]) for message in ticket["messages"]]
    return Ticket.model_validate({**ticket, "messages": messages})


def server() -> MCPServer[Any]:
    """The server, with a desk of its own."""
    desk, tickets = Desk(), MCPServer("tickets", version="1.0", instructions="A support desk.", log_level="WARNING")
    agents = {f"agt_{number}": name for number, name in enumerate(("Ines", "Omar", "Yuki"), 1)}

    @tickets.tool(annotations=READS)
    async def list_tickets(
        status: Annotated[Status | None, Field(description="Only these")] = None,
        page: Annotated[int, Field(ge=1)] = 1,
    ) -> TicketPage:
        """List support tickets, 20 a page. Use get_ticket for the conversation and the order."""
        return desk.page(status, "", page)

    @tickets.tool(annotations=READS)
    async def search_tickets(
        text: Annotated[str, Field(description="A word or phrase, any case")],
        status: Status | None = None,
        page: Annotated[int, Field(ge=1)] = 1,
    ) -> TicketPage:
        """Search the subjects and messages of support tickets."""
        return desk.page(status, text, page)

    @tickets.tool(annotations=READS)
    async def get_ticket(id: TicketId) -> Ticket:  # noqa: A002 - the tool's public argument
        """Get one ticket with its conversation, its order and its customer."""
        return _whole(desk.find(id))

    @tickets.tool(annotations=READS)
    async def list_agents() -> list[Agent]:
        """List the people of the support desk and their load."""
        return [Agent(id=agent, name=name, load=desk.load(agent)) for agent, name in agents.items()]

    @tickets.tool(annotations=WRITES)
    async def add_comment(id: TicketId, text: Annotated[str, Field(min_length=1)]) -> Ticket:  # noqa: A002
        """Answer the customer: add a message to a ticket."""
        return desk.say(id, text)

    @tickets.tool(annotations=WRITES)
    async def set_status(id: TicketId, status: Status) -> Ticket:  # noqa: A002
        """Close a ticket, or open it again."""
        desk.find(id)["status"] = status
        return _whole(desk.find(id))

    @tickets.tool(annotations=WRITES)
    async def assign_ticket(id: TicketId, agent: Annotated[str, Field(description="`agt_1`")]) -> Ticket:  # noqa: A002
        """Give a ticket to a person of the desk."""
        if agent not in agents:
            raise ToolError(f"agent {agent!r} not found; there are {', '.join(agents)}")
        desk.assign(id, agent)
        return _whole(desk.find(id))

    @tickets.tool(annotations=DESTROYS)
    async def delete_ticket(id: TicketId) -> str:  # noqa: A002
        """Delete a ticket for good."""
        desk.remove(id)
        return "deleted"

    return tickets


if __name__ == "__main__":
    server().run("stdio")
