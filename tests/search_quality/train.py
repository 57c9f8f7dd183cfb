"""Learns what the signals of the ranking are worth, and writes `server/isthmus/catalog/ranking.json`.

    pip install lightgbm numpy
    python -m tests.search_quality.train --data DATA [--write] [--ablate]

DATA holds `dev/queries.jsonl` and `corpora/`. First every family of sources is left out in turn, and ranked by what was
learned from the others: these are the honest figures, and they are printed. So is what is lost without each group of
signals (`--ablate`). Then all of them are learned from, and written (`--write`). The outcome is the same each time.

What is learned is boosted stumps: trees of one question about one signal. For each signal they add up to a curve.
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
from tests.search_quality.crossed import catalogs, pairs
from tests.search_quality.judged import Record, by_source, family, headline, operations, read_lines

SEEDS = (1, 2, 3)
ROUNDS = 150
LOST = 0.01
COMPARED = (
    "relative", "upstream_best", "upstream_mean", "depth", "holes", "parameters", "one_", "writes", "asks_",
    "leads_", "finds_", "name_length", "first_length", "description_length", "total", "rarest",
)  # fmt: skip
"""Signals that say how candidates compare, what they are, or how many there are: no evidence that any is meant."""

CURVES = {
    "num_leaves": 2, "learning_rate": 0.15, "max_bin": 31, "min_data_in_leaf": 50, "lambda_l2": 5.0,
    "feature_fraction": 0.4, "verbose": -1, "deterministic": True, "force_row_wise": True, "num_threads": 1,
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


def learn(seen: Sequence[Seen], unused: Collection[str] = ()) -> list[Any]:
    """Boosters of stumps that rank the relevant first. Every source counts alike, however many queries it has."""
    lightgbm, numpy = import_module("lightgbm"), import_module("numpy")
    sizes = Counter(each.query["source"] for each in seen)
    used = [each for each in seen if each.rows]
    rows = numpy.array(list(chain.from_iterable(each.rows for each in used)))
    for name in unused:
        rows[:, SIGNALS.index(name)] = 0
    labels = [int(one in each.query["relevant"]) for each in used for one in each.ids]
    weights = [1 / sizes[each.query["source"]] for each in used for _ in each.ids]
    mean = sum(weights) / len(weights)
    settings = {**CURVES, "objective": "lambdarank", "lambdarank_truncation_level": 10}
    boosters = []
    for seed in SEEDS:
        data = lightgbm.Dataset(
            rows, labels, group=[len(each.ids) for each in used], weight=[each / mean for each in weights]
        )
        boosters.append(lightgbm.train({**settings, "seed": seed}, data, ROUNDS))
    return boosters


def ranked(seen: Seen, boosters: Sequence[Any]) -> list[str]:
    """The ids of one query's candidates, best first."""
    if not seen.rows:
        return []
    scores = sum(booster.predict(seen.rows) for booster in boosters)
    return [one for _, one in sorted(zip(scores, seen.ids, strict=True), key=lambda pair: -pair[0])]


def left_out(seen: Sequence[Seen], fold: Callable[[Seen], str], unused: Collection[str] = ()) -> dict[str, list[str]]:
    """Every query ranked by what was learned from the folds that it is not in."""
    answers: dict[str, list[str]] = {}
    for one in sorted({fold(each) for each in seen}):
        boosters = learn([each for each in seen if fold(each) != one], unused)
        answers |= {each.query["id"]: ranked(each, boosters) for each in seen if fold(each) == one}
    return answers


def fifth(seen: Seen) -> str:
    """One of five folds by the words of a query: the twins of `@mega` fall into the same."""
    return str(zlib.crc32(seen.query["query"].partition(" (using the ")[0].encode()) % 5)


def curves(boosters: Sequence[Any], names: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """The stumps of all boosters as one curve for each signal, the mean of the boosters'."""
    stumps: dict[str, list[tuple[float, float, float]]] = {}
    for booster in boosters:
        for tree in booster.dump_model()["tree_info"]:
            top = tree["tree_structure"]
            if "threshold" in top:
                sides = [top[side]["leaf_value"] / len(boosters) for side in ("left_child", "right_child")]
                stumps.setdefault(names[top["split_feature"]], []).append((round(top["threshold"], 5) + 0.0, *sides))
    found = {}
    for name in sorted(stumps):
        steps = sorted({threshold for threshold, _, _ in stumps[name]})
        edges = [*steps, steps[-1] + 1]
        worths = [sum(left if edge <= at else right for at, left, right in stumps[name]) for edge in edges]
        found[name] = {"steps": steps, "worths": [round(each, 4) + 0.0 for each in worths]}
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """The evidence for the best hit of a query, and whether it was right to find one."""

    family: str
    source: str
    evidence: list[float]
    right: bool


def cases(seen: Sequence[Seen], corpora: Path, ranker: Ranker) -> list[Case]:
    """The judged queries that find something relevant, and the queries that are asked where nothing is for them."""
    found = [
        _case(each.query, each.rows, each.evidence, ranker, right=True)
        for each in seen
        if not set(ranked_by(ranker, each.rows, each.ids)[:10]).isdisjoint(each.query["relevant"])
    ]
    indexes = catalogs(corpora)
    for query, name in pairs([each.query for each in seen], sorted(indexes)):
        _, rows, evidence = indexes[name].signals(query["query"])
        if rows:
            found.append(_case(query, rows, evidence, ranker, right=False))
    return found


def ranked_by(ranker: Ranker, rows: Sequence[Sequence[float]], ids: Sequence[str]) -> list[str]:
    """The ids in the order of a ranker."""
    return [ids[place] for place in sorted(range(len(rows)), key=lambda place: -ranker.score(rows[place]))]


def _case(query: Record, rows: list[list[float]], evidence: list[list[float]], ranker: Ranker, right: bool) -> Case:
    best = max(range(len(rows)), key=lambda place: ranker.score(rows[place]))
    return Case(family(query["source"]), query["source"], evidence[best], right)


def learn_evidence(found: Sequence[Case]) -> Any:
    """A booster of stumps that tells the right cases; all right ones together count as much as all others."""
    lightgbm, numpy = import_module("lightgbm"), import_module("numpy")
    rows = numpy.array([each.evidence for each in found])
    for place, name in enumerate(SIGNALS + EVIDENCE):
        if name.startswith(COMPARED):
            rows[:, place] = 0
    sizes = Counter((each.source, each.right) for each in found)
    sources = Counter(right for _, right in sizes)
    weights = [len(found) / sizes[each.source, each.right] / sources[each.right] / 2 for each in found]
    settings = {**CURVES, "objective": "binary", "min_data_in_leaf": 30, "learning_rate": 0.1, "seed": 1}
    return lightgbm.train(settings, lightgbm.Dataset(rows, [each.right for each in found], weight=weights), ROUNDS)


def refused(found: Sequence[Case], scores: Sequence[float]) -> tuple[float, float]:
    """From which score on a hit convinces, so that `LOST` of the right ones do not; the part of the others refused."""
    right = sorted(score for each, score in zip(found, scores, strict=True) if each.right)
    convincing = right[int(len(right) * LOST)]
    others = [score for each, score in zip(found, scores, strict=True) if not each.right]
    return convincing, sum(score < convincing for score in others) / len(others)


def with_evidence(ranking: Record, found: Sequence[Case]) -> Record:
    """The ranking with what convinces it, learned from all cases."""
    ranking = ranking | {"evidence": curves([learn_evidence(found)], SIGNALS + EVIDENCE)}
    ranker = Ranker.read(json.dumps(ranking))
    convincing, part = refused(found, [ranker.evident(each.evidence) for each in found])
    print(f"nothing, where nothing is: {part:.3f}, with {LOST:.0%} of the right answers lost; nothing left out")
    return ranking | {"convincing": round(convincing, 4)}


def report_refusals(found: Sequence[Case]) -> None:
    """What part of the queries without a right answer is refused, at the price of `LOST`: each family left out."""
    scores: dict[int, float] = {}
    for one in sorted({each.family for each in found}):
        booster = learn_evidence([each for each in found if each.family != one])
        places = [place for place, each in enumerate(found) if each.family == one]
        scores |= dict(
            zip(places, booster.predict([found[place].evidence for place in places], raw_score=True), strict=True)
        )
    convincing, part = refused(found, [scores[place] for place in range(len(found))])
    print(f"nothing, where nothing is: {part:.3f}, with {LOST:.0%} of the right answers lost; families left out")
    for one in sorted({each.family for each in found}):
        sides = [
            [scores[n] < convincing for n, each in enumerate(found) if each.family == one and each.right is side]
            for side in (True, False)
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
    }  # fmt: skip
    return {kind: tuple(name for name in SIGNALS if name.startswith(prefix)) for kind, prefix in kinds.items()}


def main() -> None:
    """Read the arguments, measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--ablate", action="store_true")
    arguments = parser.parse_args()
    seen = see(read_lines(arguments.data / "dev" / "queries.jsonl"), arguments.data / "corpora")
    report("families left out", seen, left_out(seen, lambda each: each.family), whole=True)
    report("a fifth of the queries left out", seen, left_out(seen, fifth), whole=True)
    if arguments.ablate:
        for kind, names in groups().items():
            report(f"families left out, without {kind}", seen, left_out(seen, lambda each: each.family, names))
    ranking = {"ranking": curves(learn(seen), SIGNALS), "evidence": {}, "convincing": 0}
    found = cases(seen, arguments.data / "corpora", Ranker.read(json.dumps(ranking)))
    report_refusals(found)
    if arguments.write:
        content = with_evidence(ranking, found)
        RANKING.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
