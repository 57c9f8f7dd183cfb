"""Finding and replacing by regular expressions in 5.5 MB of text."""

import re

TEXT = " ".join(f"user{n}@host{n % 97}.example.com says {n}" for n in range(150_000))

# run
found = re.findall(r"[a-z]+\d+@[a-z0-9.]+", TEXT)
print(len(found), len(re.sub(r"\d+", "#", TEXT)))
