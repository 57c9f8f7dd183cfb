"""What the demo's services hold: a small shop and its support desk, the same on every run.

Everything is made by arithmetic on a number, so that both services, which are two processes, agree without talking.
Amounts are in cents, times are ISO 8601.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

Record = dict[str, Any]

TODAY = date(2026, 6, 1)
"""The day on which the demo plays."""

CUSTOMERS, PRODUCTS, ORDERS, TICKETS = 120, 48, 360, 150

_FIRST = (
    "Ada",
    "Bea",
    "Cem",
    "Dia",
    "Eli",
    "Fay",
    "Gus",
    "Hao",
    "Ida",
    "Jan",
    "Kai",
    "Lea",
    "Mia",
    "Noa",
    "Ola",
    "Pia",
    "Quy",
    "Rui",
    "Sol",
    "Tea",
)
_LAST = ("Abel", "Berg", "Costa", "Dahl", "Evans", "Fuchs")
_COUNTRIES = ("DE", "DK", "FR", "GB", "IT", "NL", "PL", "US")
_THINGS = ("lamp", "desk", "chair", "shelf", "rug", "clock", "mirror", "vase")
_MATERIALS = ("oak", "steel", "linen", "glass", "brass", "cork")
_TOPICS = ("late delivery", "damaged", "late delivery", "wrong item", "invoice", "late delivery", "refund", "question")
_WORDS = {
    "late delivery": "My order has not arrived. I have waited for weeks and nobody answers. Where is it?",
    "damaged": "The parcel was open and the piece inside has a crack from side to side.",
    "wrong item": "I ordered the large one and received the small one, in another colour too.",
    "invoice": "The invoice shows my old address. Please send me a corrected one for my records.",
    "refund": "I sent it back two weeks ago and have not seen the money yet.",
    "question": "Does it come with the screws? The page does not say, and the shop could not tell me either.",
}


def customer(number: int) -> Record:
    """Customer `number`, from 1 to CUSTOMERS."""
    first, last = _FIRST[number % len(_FIRST)], _LAST[number // len(_FIRST) % len(_LAST)]
    return {
        "id": f"cus_{number}",
        "name": f"{first} {last}",
        "email": f"{first}.{last}{number}@example.com".lower(),
        "country": _COUNTRIES[number * 7 % len(_COUNTRIES)],
        "tier": ("basic", "basic", "plus", "gold")[number * 5 % 4],
        "created": _day(900 - number * 5),
        "marketing": number % 3 == 0,
    }


def product(number: int) -> Record:
    """Product `number`, from 1 to PRODUCTS."""
    material, thing = _MATERIALS[number % len(_MATERIALS)], _THINGS[number // len(_MATERIALS) % len(_THINGS)]
    return {
        "id": f"prd_{number}",
        "name": f"{material} {thing}",
        "category": f"cat_{number // len(_MATERIALS) % len(_THINGS) + 1}",
        "price": 1900 + number * 1337 % 38_000,
        "currency": "EUR",
        "stock": number * 31 % 90,
        "description": f"A {thing} of {material}, made to last. " * 3,
    }


def category(number: int) -> Record:
    """Category `number`, from 1."""
    return {"id": f"cat_{number}", "name": f"{_THINGS[number - 1]}s"}


CATEGORIES = len(_THINGS)


def order(number: int) -> Record:
    """Order `number`, from 1 to ORDERS. A paid order without `shipped` is still waiting."""
    placed = 3 + number * 13 % 60
    lines = [_line(number, position) for position in range(1 + number % 3)]
    status = "cancelled" if number % 17 == 0 else "paid" if number % 4 == 1 else "shipped"
    return {
        "id": f"ord_{number}",
        "customer": f"cus_{number * 47 % CUSTOMERS + 1}",
        "status": status,
        "placed": _day(placed),
        "shipped": _day(placed - 2) if status == "shipped" else None,
        "currency": "EUR",
        "total": sum(line["quantity"] * line["price"] for line in lines),
        "lines": lines,
        "address": {"street": f"{number} Long Street", "city": "Port", "country": _COUNTRIES[number % len(_COUNTRIES)]},
        "note": "",
    }


def _line(number: int, position: int) -> Record:
    bought = product((number * 7 + number // 8 * 5 + position * 11) % PRODUCTS + 1)
    quantity = 1 + (number + position) % 3
    return {"product": bought["id"], "name": bought["name"], "quantity": quantity, "price": bought["price"]}


def ticket(number: int) -> Record:
    """Ticket `number`, from 1 to TICKETS, about an order, written by its customer."""
    about = order(number * 71 % ORDERS + 1)
    topic = _TOPICS[number % len(_TOPICS)]
    return {
        "id": number,
        "status": "closed" if number % 5 == 0 else "open",
        "topic": topic,
        "subject": f"{topic.capitalize()}: order {about['id']}",
        "order": about["id"],
        "customer": about["customer"],
        "opened": _day(number % 21),
        "messages": [
            {"from": "customer", "text": _WORDS[topic]},
            {"from": "desk", "text": "Thank you for your message. We look into it and come back to you shortly."},
            {"from": "customer", "text": "Thank you. I would be glad to hear from you soon, it is quite urgent now."},
        ],
    }


def _day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()
