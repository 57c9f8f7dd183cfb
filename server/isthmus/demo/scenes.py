"""What happens in the demo: the calls that a model would make, in order, and how each should end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Scene:
    """One call of a tool. `expect` are texts that its answer must hold; `fails` says whether it is to be an error."""

    title: str
    tool: Literal["search", "execute"]
    arguments: Mapping[str, Any]
    expect: tuple[str, ...]
    fails: bool = False
    remark: str = ""


def _program(text: str) -> Mapping[str, Any]:
    return {"code": dedent(text).strip()}


SCENES = (
    Scene(
        "What is connected? The map.",
        "search",
        {"query": ""},
        ("shop", "tickets"),
    ),
    Scene(
        "Which operations does the task need? A search gives Python stubs, ready to be used.",
        "search",
        {"query": ["list open support tickets", "get a ticket with its conversation", "get an order"], "limit": 3},
        ("get_ticket", "orders"),
    ),
    Scene(
        "The task: who complains of late delivery and truly still waits, for how long, and for how much?",
        "execute",
        _program(
            """
            import asyncio

            first = await tickets.list_tickets(status="open")
            rest = await asyncio.gather(
                *[tickets.list_tickets(status="open", page=n) for n in range(2, first.pages + 1)]
            )
            found = [line for page in (first, *rest) for line in page.tickets]
            full = await asyncio.gather(*[tickets.get_ticket(id=line.id) for line in found])
            orders = await asyncio.gather(*[shop.orders.get(order=ticket.order) for ticket in full])
            waiting = [
                (order, ticket)
                for order, ticket in zip(orders, full)
                if ticket.topic == "late delivery" and order.status == "paid"
            ]
            waiting.sort(key=lambda pair: -pair[0].total)
            people = await asyncio.gather(*[shop.customers.get(customer=order.customer) for order, _ in waiting])
            print(f"{len(found)} tickets read, {len(waiting)} customers still wait")
            "\\n".join(
                f"{who.name} ({who.tier}): {order.id}, {order.total / 100:.2f} EUR, since {order.placed}"
                for who, (order, _) in zip(people[:5], waiting)
            )
            """
        ),
        ("tickets read", "EUR, since"),
        remark="Hundreds of answers were read, joined and dropped inside the sandbox. The model reads only this.",
    ),
    Scene(
        "Variables are still there. The two most valuable get an answer: a write, which the policy allows here.",
        "execute",
        _program(
            """
            for order, ticket in waiting[:2]:
                await tickets.add_comment(id=ticket.id, text=f"We are sorry. {order.id} leaves tomorrow.")
            [ticket.id for _, ticket in waiting[:2]]
            """
        ),
        ("tickets.add_comment",),
    ),
    Scene(
        "Money is another matter: the shop may only be read. The refusal says what would have to change.",
        "execute",
        _program(
            """
            order, ticket = waiting[0]
            await shop.refunds.create(order=order.id, amount=order.total, reason="late delivery")
            """
        ),
        ("Refused", "hint:"),
        fails=True,
    ),
    Scene(
        "A wrong name costs one line, not a guess.",
        "execute",
        _program("await shop.orders.fetch(order='ord_12')"),
        ("NotFound", "shop.orders."),
        fails=True,
    ),
    Scene(
        "How much was read? Still inside, where the data is.",
        "execute",
        _program(
            """
            import json
            read = [first, *rest, *full, *orders, *people]
            {"answers": len(read), "characters": sum(len(json.dumps(answer)) for answer in read)}
            """
        ),
        ('"answers":',),
    ),
)

JOIN, ACCOUNT = SCENES[2], SCENES[-1]
