"""What a model pays before it starts: a tool for each operation against our two tools. Exact o200k tokens.

Run by itself it prints a table: `python -m tests.benchmarks.tokens`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator

from isthmus.front import tools
from isthmus.insight.definitions import definition
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from tests.benchmarks.frame import Benchmark, Figure, NotMeasured, data_file

DOCUMENTS = ("cloudflare", "github", "stripe")


def counter() -> Callable[[str], int]:
    """The tokens of a text, by o200k's own vocabulary.

    Raises:
        NotMeasured: `rs-bpe`, which carries it, is not installed.
    """
    try:
        from rs_bpe import bpe
    except ImportError:
        raise NotMeasured("rs-bpe is not installed: pip install -e '.[dev]'") from None
    tokenizer = bpe.openai.o200k_base()
    return lambda text: int(tokenizer.count(text))


def compact(value: object) -> str:
    """JSON as it crosses the wire."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def our_tools() -> str:
    """The two tools as `tools/list` sends them."""
    return compact(tools.DEFINITIONS)


def measure() -> Iterator[Figure]:
    """Ours, and one tool for each operation of three documents."""
    count = counter()
    ours, instructions = count(our_tools()), count(tools.INSTRUCTIONS)
    yield Figure("two tools, as tools/list sends them", ours, "tokens", target=450)
    yield Figure("the server's instructions", instructions, "tokens", target=250)
    total = 0
    for name in DOCUMENTS:
        content = gzip.decompress(data_file("specs", f"{name}.json.gz").read_bytes())
        operations = compile_operations(read_document(content, f"{name}.json"), name).operations
        tokens = sum(count(compact(definition(operation))) for operation in operations)
        total += tokens
        detail = f"{tokens / (ours + instructions):,.0f} times ours"
        yield Figure(f"{name}: a tool each, {len(operations):,} operations", tokens, "tokens", detail=detail)
    yield Figure("the three together", total, "tokens", detail=f"{total / (ours + instructions):,.0f} times ours")


BENCHMARKS = (Benchmark("definitions", "tokens of definitions, before and after", measure),)

if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
