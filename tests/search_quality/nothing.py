"""Learns when a catalog has nothing for a query, and writes `server/isthmus/catalog/evidence.json`.

    pip install lightgbm numpy
    python -m tests.search_quality.nothing --data DATA [--write]

Learned from are judged queries (DATA's `dev/queries.jsonl`, and the everyday ones of this folder) asked of their own
catalogs, and the same queries asked of catalogs that have nothing for them (`crossed`). First families of sources and
fifths of the queries are left out in turn, of everyday queries fifths by their APIs, and what is lost and refused of
them is printed; then all are learned from, and the outcome is written (`--write`).

Everything is measured twice. *Known* is what operations are on offer elsewhere as it is shipped. *Unknown* is what it
is for an API that nobody has seen: the query's own API and the catalog's are taken out of it.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from isthmus.catalog.evidence import EVIDENCE, Evidence
from isthmus.catalog.index import Index
from isthmus.catalog.ranking import ranker
from tests.search_quality.crossed import APIS, catalogs, mixed_pairs, offers, pairs, small, strange_pairs, strangers
from tests.search_quality.everyday import TOGETHER, apart, apis_of, asked_everyday, everyday_queries, service, together
from tests.search_quality.judged import Record, asked, family, fifth, read_lines
from tests.search_quality.train import trees

LOST = 0.02
STRANGE = 0.3  # what the strange catalogs count for among those that have nothing: a few have something, after all
SHOWN = 10
UNRELATED = ("spotify", "tmdb", "toolalpaca")  # catalogs that have nothing for an everyday query of another API
TREES = {
    "objective": "binary", "num_leaves": 8, "learning_rate": 0.1, "min_data_in_leaf": 40, "num_iterations": 200,
    "max_bin": 31, "lambda_l2": 5.0, "feature_fraction": 0.4, "verbose": -1, "seed": 1,
    "deterministic": True, "force_row_wise": True, "num_threads": 1,
}  # fmt: skip
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
    def everyday(self) -> bool:
        """Whether its query is one of ours."""
        return "api" in self.query

    @property
    def fifth(self) -> str:
        """The fold of its query: by its words, and of an everyday one by what API it is about."""
        return apart(self.query) if self.everyday else fifth(self.query)

    @property
    def apart(self) -> str:
        """The fold of its query by its family."""
        return f"{self.family} {apart(self.query)}" if self.everyday else self.family


def cases(data: Path) -> Iterator[Case]:
    """All cases; a judged query only where something relevant is among the first."""
    queries, corpora = read_lines(data / "dev" / "queries.jsonl"), data / "corpora"
    known, strange, offered = catalogs(corpora), strangers(corpora), offers(data)
    for query, index, judged in chain(asked(queries, corpora), asked_everyday(data)):
        found, rows = index.signals(query["query"])
        ranked = sorted(zip(ranker().scores(rows), found, strict=True), key=lambda pair: -pair[0])[:SHOWN]
        if not {judged[each.id] for _, each in ranked}.isdisjoint(query["relevant"]):
            yield from _case(query, index, right=True)
        if not query["source"].endswith(("@mega", "@mixed")):
            right = [each for each in found if judged[each.id] in query["relevant"]]
            few, more = small(query, right, offered)
            yield from _case({**query, "source": f"{query['source']} small"}, few)
            if right:
                yield from _case({**query, "source": f"{query['source']} small"}, more, right=True)
        if "api" in query and not query["source"].endswith("@mixed"):
            for name in UNRELATED:
                if name != query["api"]:
                    yield from _case(query, known[name], name)
    mixed, every = together(data), [*queries, *everyday_queries()]
    for query, group, likely in mixed_pairs(every):
        yield from _case(
            {**query, "source": f"{query['source']} mixed"}, mixed[group], *TOGETHER[group], strange=likely
        )
    for is_strange, indexes, paired in ((False, known, pairs), (True, strange, strange_pairs)):
        for query, name in paired(queries, sorted(indexes)):
            yield from _case(query, indexes[name], name, strange=is_strange)


def _case(query: Record, index: Index, *apis: str, right: bool = False, strange: bool = False) -> Iterator[Case]:
    own = {query.get("corpus", ""), *map(service, apis), *apis_of(query)}
    found = index.evidence(query["query"], ((), own))
    if found:
        yield Case(query, right, strange, *found)


def learn(found: Sequence[Case]) -> Any:
    """What measures count for, as a booster; every source counts alike, known and unknown are both cases."""
    lightgbm, numpy = import_module("lightgbm"), import_module("numpy")
    kinds = [(each.right, each.strange, each.everyday) for each in found]
    sizes = Counter(zip((each.query["source"] for each in found), kinds, strict=True))
    sources = Counter(kind for _, kind in sizes)
    share = {(True, False): 1.0, (False, False): 1 - STRANGE, (False, True): STRANGE}
    weights = [
        share[kind[:2]] / sizes[one.query["source"], kind] / sources[kind]
        for one, kind in zip(found, kinds, strict=True)
    ]
    mean = sum(weights) / len(weights)
    rows = numpy.array([each.known.measures for each in found] + [each.unknown.measures for each in found])
    labels = [float(each.right) for each in found] * 2
    return lightgbm.train(TREES, lightgbm.Dataset(rows, labels, weight=[each / mean for each in weights] * 2))


Scores = list[tuple[float, float]]
"""For each case what its evidence is worth, known and unknown."""


def left_out(found: Sequence[Case], fold: Callable[[Case], str]) -> Scores:
    """The worth of every case by what was learned from the folds that it is not in."""
    scores: dict[int, tuple[float, float]] = {}
    for one in sorted({fold(each) for each in found}):
        learned = learn([each for each in found if fold(each) != one])
        own = [place for place, each in enumerate(found) if fold(each) == one]
        worths = (
            learned.predict([evidence.measures for evidence in side], raw_score=True)
            for side in ([found[place].known for place in own], [found[place].unknown for place in own])
        )
        scores |= dict(zip(own, zip(*worths, strict=True), strict=True))
    return [scores[place] for place in range(len(found))]


def least(found: Sequence[Case], scores: Scores) -> float:
    """From which worth on a catalog has something, so that `LOST` of the right cases are lost, every source alike."""
    sizes = Counter(each.query["source"] for each in found if each.right)
    right = sorted(
        (score, 1 / sizes[each.query["source"]] / len(sizes) / 2)
        for each, pair in zip(found, scores, strict=True)
        if each.right
        for score in pair
    )
    lost = accumulate(part for _, part in right)
    return next(score for (score, _), sofar in zip(right, lost, strict=True) if sofar > LOST)


def report(title: str, found: Sequence[Case], scores: Scores) -> None:
    """Print what is lost and what is refused, as it would be answered."""
    bar = least(found, scores)
    for which, name in enumerate(("known", "unknown")):
        refused: defaultdict[str, list[bool]] = defaultdict(list)
        for each, pair in zip(found, scores, strict=True):
            answer = not (each.known, each.unknown)[which].convinces(pair[which], bar)
            for group in groups(each):
                refused[group].append(answer)
        print(f"{title}, {name}")
        for group, answers in sorted(refused.items()):
            print(f"  {group:52} {sum(answers) / len(answers):.3f} of {len(answers)}", flush=True)


def groups(case: Case) -> Iterator[str]:
    """What a case counts for: a catalog that is strange is there to learn from alone."""
    everyday = ", everyday" if case.everyday else ""
    if case.right:
        few = ", of few operations" if case.query["source"].endswith(" small") else ""
        yield f"lost{few}{everyday}"
        yield f"lost, {case.query['source'] if everyday else case.family}"
        if case.query.get("corpus") in APIS:
            yield "lost, of catalogs of one API"
    elif not case.strange:
        kind = {" mixed": "of many APIs", " small": "of few operations"}.get(case.query["source"][-6:], "of one API")
        yield f"nothing, where nothing is, {kind}{everyday}"
        yield f"nothing, where nothing is, {case.family}"


def main() -> None:
    """Read the arguments, measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    found = list(cases(arguments.data))
    report("families left out", found, left_out(found, lambda each: each.apart))
    scores = left_out(found, lambda each: each.fifth)
    report("a fifth of the queries left out", found, scores)
    content = {"trees": trees(learn(found), EVIDENCE), "least": round(least(found, scores), 4)}
    if arguments.write:
        lines = ",\n".join(json.dumps(tree, separators=(",", ":")) for tree in content["trees"])
        OUT.write_text(f'{{"least": {content["least"]}, "trees": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
