"""The demo's web shop: what it does, without a network. `shop.json` beside it is its OpenAPI document.

Every operation of the document works on data in memory. A handler takes what was asked and gives a value, or raises
`Problem`, which becomes the status and the body that the document promises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.demo import data
from isthmus.demo.data import Record

DOCUMENT = Path(__file__).with_name("shop.json")


class Problem(Exception):
    """What went wrong, as the shop tells its client."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message}}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, taken apart: path parameters by name, query as strings, the JSON body."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


class Shop:
    """The shop's state: records by id, in collections."""

    def __init__(self) -> None:
        self._collections: dict[str, dict[str, Record]] = {
            "customers": _numbered(data.customer, data.CUSTOMERS),
            "products": _numbered(data.product, data.PRODUCTS),
            "categories": _numbered(data.category, data.CATEGORIES),
            "orders": _numbered(data.order, data.ORDERS),
            "coupons": _by_id([{"id": "cou_1", "code": "SPRING", "percent": 10, "active": True}]),
            "carts": _by_id(_cart(number) for number in range(1, 13)),
        }
        self._made: dict[str, int] = {}
        self.settings: Record = {
            "name": "Shop",
            "currency": "EUR",
            "support_email": "desk@example.com",
            "free_shipping_from": 10_000,
        }
        orders = self.all("orders")
        self._collections["payments"] = _by_id(_payment(order) for order in orders)
        self._collections["shipments"] = _by_id(_shipment(order) for order in orders if order["shipped"])

    def all(self, collection: str) -> list[Record]:
        """The records of a collection, oldest first."""
        return list(self._collections.setdefault(collection, {}).values())

    def one(self, collection: str, key: str) -> Record:
        """One record, to be read or changed.

        Raises:
            Problem: 404, there is none of this id.
        """
        records = self._collections.setdefault(collection, {})
        if key not in records:
            example = next(iter(records), None)
            like = f"; ids look like {example}" if example else ""
            raise Problem(404, "not_found", f"no {collection.removesuffix('s')} {key!r}{like}")
        return records[key]

    def add(self, collection: str, prefix: str, record: Record) -> Record:
        """Add a record under a new id."""
        number = self._made[prefix] = self._made.get(prefix, len(self.all(collection))) + 1
        return self.put(collection, {"id": f"{prefix}_{number}", **record})

    def put(self, collection: str, record: Record) -> Record:
        """Put a record in the place of its id."""
        self._collections.setdefault(collection, {})[record["id"]] = record
        return record

    def remove(self, collection: str, key: str) -> None:
        """Remove a record for good."""
        self.one(collection, key)
        del self._collections[collection][key]


Handler = Callable[[Shop, Asked], Any]


def _numbered(make: Callable[[int], Record], number: int) -> dict[str, Record]:
    return _by_id(make(n) for n in range(1, number + 1))


def _by_id(records: Iterable[Record]) -> dict[str, Record]:
    return {record["id"]: record for record in records}


def _payment(order: Record) -> Record:
    status = "captured" if order["status"] == "shipped" else "authorised"
    return {"id": order["id"].replace("ord", "pay"), "order": order["id"], "amount": order["total"], "status": status}


def _shipment(order: Record, carrier: str = "Swift", tracking: str | None = None, sent: str | None = None) -> Record:
    number = order["id"].removeprefix("ord_")
    return {
        "id": f"shp_{number}",
        "order": order["id"],
        "carrier": carrier,
        "tracking": tracking or f"TR{int(number):06}",
        "sent": sent or order["shipped"],
    }


def _cart(number: int) -> Record:
    lines = data.order(number)["lines"]
    return {"id": f"crt_{number}", "customer": f"cus_{number * 3}", "lines": lines, "reminded": False}


# What many collections share


def listing(collection: str, *fields: str, of: tuple[str, str] | None = None) -> Handler:
    """List a collection, by pages; `fields` may be asked for by value, `of` ties it to a path parameter."""

    def handle(shop: Shop, asked: Asked) -> Any:
        records = shop.all(collection)
        if of:
            parameter, owner = of
            shop.one(owner, asked.path[parameter])
            records = [record for record in records if record[parameter] == asked.path[parameter]]
        for name in fields:
            if name in asked.query:
                records = [record for record in records if _text(record[name]) == asked.query[name]]
        return _page(records, asked.query)

    return handle


def getting(collection: str, parameter: str) -> Handler:
    """Get one record."""
    return lambda shop, asked: shop.one(collection, asked.path[parameter])


def creating(collection: str, prefix: str, **defaults: Any) -> Handler:
    """Add what the body says, with these values where it is silent."""
    return lambda shop, asked: shop.add(collection, prefix, {**defaults, **asked.body})


def updating(collection: str, parameter: str) -> Handler:
    """Change what the body says."""

    def handle(shop: Shop, asked: Asked) -> Any:
        record = shop.one(collection, asked.path[parameter])
        record.update(asked.body)
        return record

    return handle


def deleting(collection: str, parameter: str) -> Handler:
    """Remove one record."""
    return lambda shop, asked: shop.remove(collection, asked.path[parameter])


def _page(records: list[Record], query: Mapping[str, str]) -> Record:
    limit = int(query.get("limit", 20))
    start = 0
    if after := query.get("after"):
        ids = [record["id"] for record in records]
        if after not in ids:
            raise Problem(422, "invalid", f"after: {after!r} is not the end of a page of this list")
        start = ids.index(after) + 1
    page = records[start : start + limit]
    return {"data": page, "next": page[-1]["id"] if start + limit < len(records) else None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# What is particular


def list_orders(shop: Shop, asked: Asked) -> Any:
    """Orders by status, customer and the day on which they were placed."""
    earliest, latest = asked.query.get("placed_from", ""), asked.query.get("placed_to", "9999")
    records = [
        order
        for order in shop.all("orders")
        if earliest <= order["placed"] <= latest
        and asked.query.get("status", order["status"]) == order["status"]
        and asked.query.get("customer", order["customer"]) == order["customer"]
    ]
    return _page(records, asked.query)


def create_order(shop: Shop, asked: Asked) -> Any:
    """Place an order: prices and stock are the shop's word, not the client's."""
    customer = shop.one("customers", asked.body["customer"])
    lines = []
    for wanted in asked.body["lines"]:
        product = shop.one("products", wanted["product"])
        if product["stock"] < wanted["quantity"]:
            raise Problem(409, "out_of_stock", f"{product['name']}: {product['stock']} left")
        lines.append({**wanted, "name": product["name"], "price": product["price"]})
    for line in lines:
        shop.one("products", line["product"])["stock"] -= line["quantity"]
    percent = 100 - (shop.one("coupons", asked.body["coupon"])["percent"] if "coupon" in asked.body else 0)
    order = {
        "customer": customer["id"],
        "status": "paid",
        "placed": data.TODAY.isoformat(),
        "shipped": None,
        "currency": "EUR",
        "total": sum(line["quantity"] * line["price"] for line in lines) * percent // 100,
        "lines": lines,
        "note": asked.body.get("note", ""),
    }
    if "address" in asked.body:
        order["address"] = asked.body["address"]
    return shop.add("orders", "ord", order)


def _waiting(shop: Shop, asked: Asked, what: str) -> Record:
    order = shop.one("orders", asked.path["order"])
    if order["status"] != "paid":
        raise Problem(409, "wrong_state", f"order {order['id']} is {order['status']} and cannot be {what}")
    return order


def update_order(shop: Shop, asked: Asked) -> Any:
    """Change an order that still waits."""
    order = _waiting(shop, asked, "changed")
    order.update(asked.body)
    return order


def cancel_order(shop: Shop, asked: Asked) -> Any:
    """Cancel an order that still waits."""
    order = _waiting(shop, asked, "cancelled")
    order.update(status="cancelled", note=asked.body["reason"])
    return order


def ship_order(shop: Shop, asked: Asked) -> Any:
    """Ship an order that still waits."""
    order = _waiting(shop, asked, "shipped")
    order.update(status="shipped", shipped=data.TODAY.isoformat())
    shipment = _shipment(order, asked.body["carrier"], asked.body.get("tracking"))
    return shop.put("shipments", shipment)


def order_events(shop: Shop, asked: Asked) -> Any:
    """What happened to an order."""
    order = shop.one("orders", asked.path["order"])
    events = [{"at": order["placed"], "what": "placed"}, {"at": order["placed"], "what": "paid"}]
    if order["shipped"]:
        events.append({"at": order["shipped"], "what": "shipped"})
    return events


def invoice(shop: Shop, asked: Asked) -> Any:
    """An order's invoice; a fifth of the net sum is tax."""
    order = shop.one("orders", asked.path["order"])
    net = order["total"] * 5 // 6
    return {
        "order": order["id"],
        "number": f"2026-{order['id'].removeprefix('ord_')}",
        "lines": order["lines"],
        "net": net,
        "tax": order["total"] - net,
        "total": order["total"],
    }


def create_refund(shop: Shop, asked: Asked) -> Any:
    """Ask for money to be paid back; never more than the order's total."""
    order = shop.one("orders", asked.body["order"])
    before = sum(refund["amount"] for refund in shop.all("refunds") if refund["order"] == order["id"])
    if before + asked.body["amount"] > order["total"]:
        raise Problem(422, "too_much", f"amount: at most {order['total'] - before} of {order['id']} can be refunded")
    return shop.add("refunds", "ref", {**asked.body, "status": "requested"})


def approve_refund(shop: Shop, asked: Asked) -> Any:
    """Let the money move."""
    refund = shop.one("refunds", asked.path["refund"])
    refund["status"] = "approved"
    return refund


def list_products(shop: Shop, asked: Asked) -> Any:
    """Products by category, part of the name, and whether there are any."""
    query = asked.query
    records = [
        product
        for product in shop.all("products")
        if query.get("category", product["category"]) == product["category"]
        and query.get("name", "").lower() in product["name"].lower()
        and query.get("in_stock", _text(product["stock"] > 0)) == _text(product["stock"] > 0)
    ]
    return _page(records, query)


def stock(shop: Shop, asked: Asked) -> Any:
    """The stock of a product."""
    product = shop.one("products", asked.path["product"])
    return {"product": product["id"], "stock": product["stock"]}


def adjust_stock(shop: Shop, asked: Asked) -> Any:
    """Correct the stock of a product; it cannot fall below nothing."""
    product = shop.one("products", asked.path["product"])
    if product["stock"] + asked.body["by"] < 0:
        raise Problem(422, "invalid", f"by: {product['name']} has only {product['stock']} left")
    product["stock"] += asked.body["by"]
    return stock(shop, asked)


def reviews(shop: Shop, asked: Asked) -> Any:
    """Two reviews of every product."""
    product = shop.one("products", asked.path["product"])
    number = int(product["id"].removeprefix("prd_"))
    texts = ("Just as in the picture.", "Good, but it came late.")
    given = [{"id": f"rev_{number}_{n}", "stars": 5 - (number + n) % 4, "text": text} for n, text in enumerate(texts)]
    return _page(given, asked.query)


def add_note(shop: Shop, asked: Asked) -> Any:
    """Add a note to a customer."""
    customer = shop.one("customers", asked.path["customer"])
    note = {"customer": customer["id"], "text": asked.body["text"], "created": data.TODAY.isoformat()}
    return shop.add("notes", "not", note)


def category_products(shop: Shop, asked: Asked) -> Any:
    """The products of a category."""
    category = shop.one("categories", asked.path["category"])["id"]
    return _page([product for product in shop.all("products") if product["category"] == category], asked.query)


def tracking(shop: Shop, asked: Asked) -> Any:
    """Where a shipment was seen."""
    sent = shop.one("shipments", asked.path["shipment"])["sent"]
    return [{"at": sent, "what": "collected"}, {"at": sent, "what": "in transit"}]


def capture(shop: Shop, asked: Asked) -> Any:
    """Collect an authorised payment."""
    payment = shop.one("payments", asked.path["payment"])
    payment["status"] = "captured"
    return payment


def remind(shop: Shop, asked: Asked) -> Any:
    """Remind a customer of a cart, once."""
    cart = shop.one("carts", asked.path["cart"])
    if cart["reminded"]:
        raise Problem(409, "wrong_state", f"the customer of {cart['id']} has been reminded already")
    cart["reminded"] = True
    return cart


def sales(shop: Shop, asked: Asked) -> Any:
    """Orders and revenue by month."""
    months: dict[str, Record] = {}
    earliest, latest = asked.query.get("from", ""), asked.query.get("to", "9999")
    for order in shop.all("orders"):
        if order["status"] != "cancelled" and earliest <= order["placed"] <= latest:
            month = order["placed"][:7]
            row = months.setdefault(month, {"month": month, "orders": 0, "revenue": 0})
            row["orders"] += 1
            row["revenue"] += order["total"]
    return sorted(months.values(), key=lambda row: str(row["month"]))


def top_products(shop: Shop, asked: Asked) -> Any:
    """The products that sold best, by revenue."""
    rows: dict[str, Record] = {}
    for order in shop.all("orders"):
        for line in order["lines"]:
            row = rows.setdefault(
                line["product"], {"product": line["product"], "name": line["name"], "sold": 0, "revenue": 0}
            )
            row["sold"] += line["quantity"]
            row["revenue"] += line["quantity"] * line["price"]
    best = sorted(rows.values(), key=lambda row: (-int(row["revenue"]), str(row["product"])))
    return best[: int(asked.query.get("limit", 10))]


def update_settings(shop: Shop, asked: Asked) -> Any:
    """Change the settings."""
    shop.settings.update(asked.body)
    return shop.settings


HANDLERS: Mapping[str, Handler] = {
    "customers/list": listing("customers", "country", "tier", "email"),
    "customers/create": creating("customers", "cus", tier="basic", marketing=False, created=data.TODAY.isoformat()),
    "customers/get": getting("customers", "customer"),
    "customers/update": updating("customers", "customer"),
    "customers/delete": deleting("customers", "customer"),
    "customers/list_orders": listing("orders", of=("customer", "customers")),
    "customers/list_notes": listing("notes", of=("customer", "customers")),
    "customers/add_note": add_note,
    "orders/list": list_orders,
    "orders/create": create_order,
    "orders/get": getting("orders", "order"),
    "orders/update": update_order,
    "orders/cancel": cancel_order,
    "orders/ship": ship_order,
    "orders/list_events": order_events,
    "orders/get_invoice": invoice,
    "refunds/list": listing("refunds", "order", "status"),
    "refunds/create": create_refund,
    "refunds/get": getting("refunds", "refund"),
    "refunds/approve": approve_refund,
    "products/list": list_products,
    "products/create": creating("products", "prd", currency="EUR", stock=0, description=""),
    "products/get": getting("products", "product"),
    "products/update": updating("products", "product"),
    "products/delete": deleting("products", "product"),
    "products/get_stock": stock,
    "products/adjust_stock": adjust_stock,
    "products/list_reviews": reviews,
    "categories/list": listing("categories"),
    "categories/get": getting("categories", "category"),
    "categories/list_products": category_products,
    "coupons/list": listing("coupons", "active"),
    "coupons/create": creating("coupons", "cou", active=True),
    "coupons/get": getting("coupons", "coupon"),
    "coupons/delete": deleting("coupons", "coupon"),
    "shipments/list": listing("shipments", "order", "carrier"),
    "shipments/get": getting("shipments", "shipment"),
    "shipments/track": tracking,
    "payments/list": listing("payments", "order", "status"),
    "payments/get": getting("payments", "payment"),
    "payments/capture": capture,
    "carts/list": listing("carts"),
    "carts/get": getting("carts", "cart"),
    "carts/remind": remind,
    "reports/sales": sales,
    "reports/top_products": top_products,
    "webhooks/list": listing("webhooks"),
    "webhooks/create": creating("webhooks", "hok"),
    "webhooks/delete": deleting("webhooks", "webhook"),
    "settings/get": lambda shop, _: shop.settings,
    "settings/update": update_settings,
}


def document() -> dict[str, Any]:
    """The shop's OpenAPI document."""
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return loaded
