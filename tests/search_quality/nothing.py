"""Learns when a catalog has nothing for a query, and writes `server/isthmus/catalog/evidence.json`.

    pip install numpy
    python -m tests.search_quality.nothing --data DATA [--write]

DATA holds `dev/queries.jsonl` and `corpora/`. Learned from are judged queries asked of their own corpora, and the same
queries asked of catalogs that have nothing for them (`crossed`). First families of sources and fifths of the queries
are left out in turn, and what is lost and refused of them is printed; then all are learned from, and the outcome is
written (`--write`).

Everything is measured twice. *Known* is what operations are on offer elsewhere as it is shipped. *Unknown* is what it
is for an API that nobody has seen: the query's own API and the catalog's are taken out of it.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from isthmus.catalog.evidence import EVIDENCE, Conviction, Evidence
from isthmus.catalog.index import Index
from isthmus.catalog.ranking import ranker
from tests.search_quality.crossed import APIS, catalogs, pairs, strange_pairs, strangers
from tests.search_quality.judged import Record, asked, family, fifth, read_lines

LOST = 0.02
STRANGE = 0.3  # what the strange catalogs count for among those that have nothing: a few have something, after all
RIDGE = 300.0  # strong: of what one family teaches, little but rough proportions holds for the others
SHOWN = 10
STEPS = 20
OUT = Path(__file__).resolve().parents[2] / "server" / "isthmus" / "catalog" / "evidence.json"


@dataclass(frozen=True, slots=True)
class Case:
    """A query asked of a catalog: the evidence, and whether there is anything for it."""

    query: Record
    right: bool
    strange: bool
    known: Evidence
    unknown: Evidence

    @property
    def family(self) -> str:
        """The family of its source."""
        return family(self.query["source"])

    @property
    def fifth(self) -> str:
        """The fold of its query."""
        return fifth(self.query)


def cases(queries: Sequence[Record], corpora: Path) -> Iterator[Case]:
    """All cases; a judged query only where something relevant is among the first."""
    for query, index, judged in asked(queries, corpora):
        found, rows = index.signals(query["query"])
        ranked = sorted(zip(ranker().scores(rows), found, strict=True), key=lambda pair: -pair[0])[:SHOWN]
        if not {judged[each.id] for _, each in ranked}.isdisjoint(query["relevant"]):
            yield from _case(query, index, query["corpus"], right=True)
    for strange, indexes, paired in ((False, catalogs(corpora), pairs), (True, strangers(corpora), strange_pairs)):
        for query, name in paired(queries, sorted(indexes)):
            yield from _case(query, indexes[name], name, strange=strange)


def _case(query: Record, index: Index, name: str, right: bool = False, strange: bool = False) -> Iterator[Case]:
    own = {query["corpus"], name, *(each.partition(":")[0] for each in query["relevant"])}
    found = index.evidence(query["query"], ((), own))
    if found:
        yield Case(query, right, strange, *found)


def learn(found: Sequence[Case]) -> Conviction:
    """What measures count for, by logistic regression; every source counts alike, known and unknown are both cases."""
    numpy: Any = import_module("numpy")
    kinds = [(each.right, each.strange) for each in found]
    sizes = Counter(zip((each.query["source"] for each in found), kinds, strict=True))
    sources = Counter(kind for _, kind in sizes)
    share = {(True, False): 1.0, (False, False): 1 - STRANGE, (False, True): STRANGE}
    weights = numpy.array(
        [share[kind] / sizes[one.query["source"], kind] / sources[kind] for one, kind in zip(found, kinds, strict=True)]
    )
    weights = numpy.tile(weights / weights.sum() * len(found) / 2, 2)
    rows = numpy.array([each.known.measures for each in found] + [each.unknown.measures for each in found])
    mean, spread = rows.mean(0), rows.std(0) + 1e-9
    x = numpy.c_[(rows - mean) / spread, numpy.ones(len(rows))]
    y = numpy.tile([float(each.right) for each in found], 2)
    ridge = numpy.diag([RIDGE] * len(EVIDENCE) + [1e-6])
    learned = numpy.zeros(x.shape[1])
    for _ in range(STEPS):  # Newton's
        p = 1 / (1 + numpy.exp(-x @ learned))
        curve = (x * (weights * p * (1 - p))[:, None]).T @ x + ridge
        learned -= numpy.linalg.solve(curve, x.T @ (weights * (p - y)) + ridge @ learned)
    return Conviction(tuple(float(each) for each in learned[:-1] / spread))


Scores = list[tuple[float, float]]
"""For each case what its evidence is worth, known and unknown."""


def left_out(found: Sequence[Case], fold: Callable[[Case], str]) -> Scores:
    """The worth of every case by what was learned from the folds that it is not in."""
    scores: dict[int, tuple[float, float]] = {}
    for one in sorted({fold(each) for each in found}):
        learned = learn([each for each in found if fold(each) != one])
        scores |= {
            place: (learned.worth(each.known), learned.worth(each.unknown))
            for place, each in enumerate(found)
            if fold(each) == one
        }
    return [scores[place] for place in range(len(found))]


def least(found: Sequence[Case], scores: Scores) -> float:
    """From which worth on a catalog has something, so that `LOST` of the right cases are lost: known and unknown."""
    right = sorted(score for each, pair in zip(found, scores, strict=True) if each.right for score in pair)
    return right[int(len(right) * LOST)]


def report(title: str, found: Sequence[Case], scores: Scores) -> None:
    """Print what is lost and what is refused, as it would be answered."""
    bar = least(found, scores)
    for which, name in enumerate(("known", "unknown")):
        refused: defaultdict[str, list[bool]] = defaultdict(list)
        for each, pair in zip(found, scores, strict=True):
            answer = not convinced((each.known, each.unknown)[which], pair[which], bar)
            for group in groups(each):
                refused[group].append(answer)
        print(f"{title}, {name}")
        for group, answers in sorted(refused.items()):
            print(f"  {group:52} {sum(answers) / len(answers):.3f} of {len(answers)}", flush=True)


def groups(case: Case) -> Iterator[str]:
    """What a case counts for: a catalog that is strange is there to learn from alone."""
    if case.right:
        yield "lost"
        yield f"lost, {case.family}"
        if case.query["corpus"] in APIS:
            yield "lost, of catalogs of one API"
    elif not case.strange:
        yield "nothing, where nothing is"
        yield f"nothing, where nothing is, {case.family}"


def convinced(evidence: Evidence, worth: float, bar: float) -> bool:
    """Whether such evidence convinces, where it is worth so much and this is what convinces."""
    rest = [0.0] * (len(EVIDENCE) - 1)
    return Conviction((1.0, *rest), bar).convinced(replace(evidence, measures=(worth, *rest)))


def main() -> None:
    """Read the arguments, measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    queries = read_lines(arguments.data / "dev" / "queries.jsonl")
    found = list(cases(queries, arguments.data / "corpora"))
    report("families left out", found, left_out(found, lambda each: each.family))
    scores = left_out(found, lambda each: each.fifth)
    report("a fifth of the queries left out", found, scores)
    learned = learn(found)
    weights = {name: round(each, 4) for name, each in zip(EVIDENCE, learned.weights, strict=True)}
    content = {"weights": weights, "least": round(least(found, scores), 4)}
    print(json.dumps(content))
    if arguments.write:
        OUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
