"""Grouping 200,000 records by a key."""

from typing import Any

ROWS: list[dict[str, Any]] = [
    {"team": f"team {n % 101}", "amount": n % 1000, "open": n % 3 == 0} for n in range(200_000)
]

# run
groups: dict[str, dict[str, int]] = {}
for row in ROWS:
    group = groups.setdefault(row["team"], {"count": 0, "amount": 0})
    group["count"] += 1
    if row["open"]:
        group["amount"] += row["amount"]
print(len(groups), groups["team 7"]["amount"])
