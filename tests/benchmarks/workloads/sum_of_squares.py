"""Integer arithmetic in a plain loop of three million rounds."""


def sum_of_squares(n: int) -> int:
    total = 0
    for i in range(n):
        total += i * i
    return total


# run
print(sum_of_squares(3_000_000))
