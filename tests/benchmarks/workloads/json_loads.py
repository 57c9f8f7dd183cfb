"""Reading 5.8 MB of JSON."""

import json

ROWS = [
    {"id": n, "name": f"user {n}", "tags": ["a", "b", f"t{n % 50}"], "score": n * 1.5, "active": n % 2 == 0}
    for n in range(60_000)
]
TEXT = json.dumps(ROWS)

# run
print(len(json.loads(TEXT)))
