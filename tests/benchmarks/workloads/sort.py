"""Sorting 500,000 integers."""

NUMBERS = []
seed = 12_345
for _ in range(500_000):
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    NUMBERS.append(seed)

# run
print(sorted(NUMBERS)[250_000])
