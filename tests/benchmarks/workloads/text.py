"""Splitting, counting and replacing in 5.5 MB of text."""

TEXT = " ".join(f"word{n % 977} alpha beta{n % 13}," for n in range(265_000))

# run
words = TEXT.split()
counts: dict[str, int] = {}
for word in words:
    counts[word] = counts.get(word, 0) + 1
print(len(counts), len(TEXT.replace("alpha", "omega").upper()))
