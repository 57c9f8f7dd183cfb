"""Learns what the signals of the ranking are worth, and writes `server/isthmus/catalog/ranking.json`.

    pip install lightgbm numpy
    python -m tests.search_quality.train --data DATA [--write] [--ablate]

DATA holds `dev/queries.jsonl` and `corpora/`. First every family of sources is left out in turn, and ranked by what was
learned from the others: these are the honest figures, and they are printed. So is what is lost without each group of
signals (`--ablate`). Then all of them are learned from, and written (`--write`). The outcome is the same each time.

What is learned is boosted trees of a few questions (LambdaMART; for the evidence, logistic regression).
"""

import argparse
import json
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from isthmus.catalog.index import Index
from isthmus.catalog.ranking import EVIDENCE, SIGNALS, Ranker
from tests.search_quality.crossed import catalogs, pairs, strange_pairs, strangers
from tests.search_quality.judged import Record, by_source, family, headline, operations, read_lines

LOST = 0.02
COMPARED = (
    "relative", "upstream_best", "upstream_mean", "depth", "holes", "parameters", "one_", "writes", "asks_",
    "leads_", "finds_", "name_length", "first_length", "description_length", "total", "rarest",
    "meaning_behind", "meaning_place", "clauses", "clause_place", "clause_behind",
)  # fmt: skip
"""Signals that say how candidates compare, what they are, or how many there are: no evidence that any is meant."""

TREES = {
    "max_bin": 31, "lambda_l2": 5.0, "feature_fraction": 0.4, "verbose": -1, "seed": 1,
    "deterministic": True, "force_row_wise": True, "num_threads": 1,
}  # fmt: skip
RANKED = {
    **TREES, "objective": "lambdarank", "lambdarank_truncation_level": 10,
    "num_leaves": 8, "learning_rate": 0.1, "min_data_in_leaf": 80, "num_iterations": 90,
}  # fmt: skip
CONVINCED = {
    **TREES, "objective": "binary",
    "num_leaves": 4, "learning_rate": 0.08, "min_data_in_leaf": 30, "num_iterations": 100,
}  # fmt: skip
RANKING = Path(__file__).resolve().parents[2] / "server" / "isthmus" / "catalog" / "ranking.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the second stage sees of one query."""

    query: Record
    ids: list[str]
    rows: list[list[float]]
    evidence: list[list[float]]

    @property
    def family(self) -> str:
        """The family of its source."""
        return family(self.query["source"])


def see(queries: Sequence[Record], corpora: Path) -> list[Seen]:
    """Every query, asked of its corpus."""
    seen = []
    for corpus in sorted({query["corpus"] for query in queries}):
        pairs = list(operations(read_lines(corpora / f"{corpus}.jsonl.gz")))
        index, judged = Index.build([each for _, each in pairs]), {each.id: judged for judged, each in pairs}
        for query in queries:
            if query["corpus"] == corpus:
                found, rows, evidence = index.signals(query["query"])
                seen.append(Seen(query, [judged[each.id] for each in found], rows, evidence))
    return seen


def learn(seen: Sequence[Seen], unused: Collection[str] = ()) -> Any:
    """A booster that ranks the relevant first. Every source counts alike, however many queries it has."""
    lightgbm, numpy = import_module("lightgbm"), import_module("numpy")
    sizes = Counter(each.query["source"] for each in seen)
    used = [each for each in seen if each.rows]
    rows = numpy.array(list(chain.from_iterable(each.rows for each in used)))
    for name in unused:
        rows[:, SIGNALS.index(name)] = 0
    labels = [int(one in each.query["relevant"]) for each in used for one in each.ids]
    weights = [1 / sizes[each.query["source"]] for each in used for _ in each.ids]
    mean = sum(weights) / len(weights)
    groups, weights = [len(each.ids) for each in used], [each / mean for each in weights]
    return lightgbm.train(RANKED, lightgbm.Dataset(rows, labels, group=groups, weight=weights))


def ranked(seen: Seen, booster: Any) -> list[str]:
    """The ids of one query's candidates, best first."""
    if not seen.rows:
        return []
    scores = booster.predict(seen.rows)
    return [one for _, one in sorted(zip(scores, seen.ids, strict=True), key=lambda pair: -pair[0])]


def left_out(seen: Sequence[Seen], fold: Callable[[Seen], str], unused: Collection[str] = ()) -> dict[str, list[str]]:
    """Every query ranked by what was learned from the folds that it is not in."""
    answers: dict[str, list[str]] = {}
    for one in sorted({fold(each) for each in seen}):
        booster = learn([each for each in seen if fold(each) != one], unused)
        answers |= {each.query["id"]: ranked(each, booster) for each in seen if fold(each) == one}
    return answers


def fifth(query: Record) -> str:
    """One of five folds by the words of a query: the twins of `@mega` fall into the same."""
    return str(zlib.crc32(query["query"].partition(" (using the ")[0].encode()) % 5)


def trees(booster: Any, names: Sequence[str]) -> list[Any]:
    """The trees of a booster, as `isthmus.catalog.forest` reads them; those that ask nothing are left out."""
    found = [_tree(each["tree_structure"], names) for each in booster.dump_model()["tree_info"]]
    return [each for each in found if isinstance(each, list)]


def _tree(node: Record, names: Sequence[str]) -> Any:
    if "leaf_value" in node:
        return round(node["leaf_value"], 5) + 0.0
    sides = (_tree(node[side], names) for side in ("left_child", "right_child"))
    return [names[node["split_feature"]], float(f"{node['threshold']:.6g}"), *sides]


@dataclass(frozen=True, slots=True)
class Case:
    """The evidence for the best hit of a query, and whether it was right to find one."""

    family: str
    fifth: str
    source: str
    evidence: list[float]
    right: bool
    measured: bool  # not, where the catalog is there to learn from alone


def cases(seen: Sequence[Seen], corpora: Path, ranker: Ranker) -> list[Case]:
    """The judged queries that find something relevant, and the queries that are asked where nothing is for them."""
    found = [
        _case(each.query, each.rows, each.evidence, ranker, right=True)
        for each in seen
        if not set(ranked_by(ranker, each.rows, each.ids)[:10]).isdisjoint(each.query["relevant"])
    ]
    queries = [each.query for each in seen]
    for indexes, paired, measured in ((catalogs(corpora), pairs, True), (strangers(corpora), strange_pairs, False)):
        for query, name in paired(queries, sorted(indexes)):
            _, rows, evidence = indexes[name].signals(query["query"])
            if rows:
                found.append(_case(query, rows, evidence, ranker, right=False, measured=measured))
    return found


def ranked_by(ranker: Ranker, rows: Sequence[Sequence[float]], ids: Sequence[str]) -> list[str]:
    """The ids in the order of a ranker."""
    scores = ranker.scores(rows)
    return [ids[place] for place in sorted(range(len(rows)), key=lambda place: -scores[place])]


def _case(
    query: Record,
    rows: list[list[float]],
    evidence: list[list[float]],
    ranker: Ranker,
    right: bool,
    measured: bool = True,
) -> Case:
    scores = ranker.scores(rows)
    best = max(range(len(rows)), key=scores.__getitem__)
    return Case(family(query["source"]), fifth(query), query["source"], evidence[best], right, measured)


def learn_evidence(found: Sequence[Case]) -> Any:
    """A booster that tells the right cases; all right ones together count as much as all others."""
    lightgbm, numpy = import_module("lightgbm"), import_module("numpy")
    rows = numpy.array([each.evidence for each in found])
    for place, name in enumerate(SIGNALS + EVIDENCE):
        if name.startswith(COMPARED):
            rows[:, place] = 0
    sizes = Counter((each.source, each.right) for each in found)
    sources = Counter(right for _, right in sizes)
    weights = [len(found) / sizes[each.source, each.right] / sources[each.right] / 2 for each in found]
    return lightgbm.train(CONVINCED, lightgbm.Dataset(rows, [each.right for each in found], weight=weights))


def refused(found: Sequence[Case], scores: Sequence[float]) -> tuple[float, float]:
    """From which score on a hit convinces, so that `LOST` of the right ones do not; the part of the others refused."""
    right = sorted(score for each, score in zip(found, scores, strict=True) if each.right)
    convincing = right[int(len(right) * LOST)]
    others = [score for each, score in zip(found, scores, strict=True) if not each.right and each.measured]
    return convincing, sum(score < convincing for score in others) / len(others)


def with_evidence(ranking: Record, found: Sequence[Case]) -> Record:
    """The ranking with what convinces it, learned from all cases; how much must, from cases that were left out."""
    convincing, _ = refused(found, scores_left_out(found, lambda each: each.fifth))
    return ranking | {"evidence": trees(learn_evidence(found), SIGNALS + EVIDENCE), "convincing": round(convincing, 4)}


def scores_left_out(found: Sequence[Case], fold: Callable[[Case], str]) -> list[float]:
    """What the evidence of every case is worth by what was learned from the folds that it is not in."""
    scores: dict[int, float] = {}
    for one in sorted({fold(each) for each in found}):
        booster = learn_evidence([each for each in found if fold(each) != one])
        places = [place for place, each in enumerate(found) if fold(each) == one]
        rows = [found[place].evidence for place in places]
        scores |= dict(zip(places, booster.predict(rows, raw_score=True), strict=True))
    return [scores[place] for place in range(len(found))]


def report_refusals(title: str, found: Sequence[Case], scores: Sequence[float]) -> None:
    """What part of the queries without a right answer is refused, at the price of `LOST`."""
    convincing, part = refused(found, scores)
    print(f"{title}: nothing, where nothing is: {part:.3f}, with {LOST:.0%} of the right answers lost")
    for one in sorted({each.family for each in found}):
        sides = [
            [
                score < convincing
                for each, score in zip(found, scores, strict=True)
                if (each.family, each.right, each.measured) == (*sort, True)
            ]
            for sort in ((one, True), (one, False))
        ]
        lost, nothing = (f"{sum(side) / len(side):.3f}" if side else "    -" for side in sides)
        print(f"  {one:28} lost {lost}   nothing {nothing}", flush=True)


def report(title: str, seen: Iterable[Seen], answers: dict[str, list[str]], whole: bool = False) -> None:
    """Print the headlines, and each source if wanted."""
    sources = by_source([each.query for each in seen], answers)
    if whole:
        for source, (count, recall, ndcg) in sources.items():
            print(f"  {source:28} {count:4} {recall:.3f} {ndcg:.3f}")
    every, mega = headline(sources), headline(sources, mega=True)
    print(f"{title:36} {every[0]:.4f} {every[1]:.4f}   @mega {mega[0]:.4f} {mega[1]:.4f}", flush=True)


def groups() -> dict[str, tuple[str, ...]]:
    """The signals by what they measure, for the ablation."""
    kinds: dict[str, str | tuple[str, ...]] = {
        "soft": "soft_", "noun": "noun_", "object": "object_", "own": "own_", "extra": "extra_", "early": "early",
        "rarest": "rarest", "action": "action_", "asks": "asks_", "writes": "writes", "one": "one_", "holes": "holes",
        "depth": "depth", "parameters": "parameters", "upstream": "upstream_", "required": "required_",
        "length": ("name_length", "first_length", "description_length"), "leads": ("leads_", "finds_"),
        "like_leaders": "like_leaders", "relative": "relative", "total": "total", "density": "density",
        "meaning": ("meaning", "clause"), "clauses": "clause",
    }  # fmt: skip
    return {kind: tuple(name for name in SIGNALS if name.startswith(prefix)) for kind, prefix in kinds.items()}


def _lines(content: Record) -> str:
    """A JSON text with a tree on each line."""
    parts = []
    for name in ("ranking", "evidence"):
        lines = ",\n".join(json.dumps(tree, separators=(",", ":")) for tree in content[name])
        parts.append(f'"{name}": [\n{lines}\n]')
    return "{" + ",\n".join([*parts, f'"convincing": {content["convincing"]}']) + "}"


def main() -> None:
    """Read the arguments, measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--ablate", action="store_true")
    arguments = parser.parse_args()
    seen = see(read_lines(arguments.data / "dev" / "queries.jsonl"), arguments.data / "corpora")
    report("families left out", seen, left_out(seen, lambda each: each.family), whole=True)
    report("a fifth of the queries left out", seen, left_out(seen, lambda each: fifth(each.query)), whole=True)
    if arguments.ablate:
        for kind, names in groups().items():
            report(f"families left out, without {kind}", seen, left_out(seen, lambda each: each.family, names))
    ranking = {"ranking": trees(learn(seen), SIGNALS), "evidence": [], "convincing": 0}
    found = cases(seen, arguments.data / "corpora", Ranker.read(json.dumps(ranking)))
    report_refusals("families left out", found, scores_left_out(found, lambda each: each.family))
    report_refusals("a fifth of the queries left out", found, scores_left_out(found, lambda each: each.fifth))
    if arguments.write:
        content = with_evidence(ranking, found)
        RANKING.write_text(_lines(content) + "\n")


if __name__ == "__main__":
    main()
