"""Sorting 500,000 integers by a lambda."""

NUMBERS = []
seed = 12_345
for _ in range(500_000):
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    NUMBERS.append(seed)

# run
print(sorted(NUMBERS, key=lambda number: -number)[250_000])
