"""Learns what the signals of the ranking are worth, and writes `server/isthmus/catalog/ranking.json`.

    pip install lightgbm numpy
    python -m tests.search_quality.train --data DATA [--write] [--ablate]

DATA holds `dev/queries.jsonl` and `corpora/`; the everyday queries of this folder are of its `specs/` and `mcp/` too.
First every family of sources is left out in turn, and ranked by what was learned from the others: these are the honest
figures, and they are printed. So are those with fifths of the queries left out, of everyday queries by their APIs, and
what is lost without each group of signals (`--ablate`). Then all of them are learned from, and written (`--write`).
The outcome is the same each time.

What is learned is boosted trees of a few questions (LambdaMART).
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from isthmus.catalog.index import Index
from isthmus.catalog.ranking import SIGNALS
from tests.search_quality.everyday import apart, asked_everyday
from tests.search_quality.judged import Record, asked, by_source, family, fifth, headline, read_lines

RANKED = {
    "objective": "lambdarank", "lambdarank_truncation_level": 10,
    "num_leaves": 8, "learning_rate": 0.1, "min_data_in_leaf": 80, "num_iterations": 200,
    "max_bin": 31, "lambda_l2": 5.0, "feature_fraction": 0.4, "verbose": -1, "seed": 1,
    "deterministic": True, "force_row_wise": True, "num_threads": 1,
}  # fmt: skip
EVERYDAY = 2.0
"""What a source of everyday queries counts for: there are fewer of them, and they are what is asked."""

RANKING = Path(__file__).resolve().parents[2] / "server" / "isthmus" / "catalog" / "ranking.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the second stage sees of one query."""

    query: Record
    ids: list[str]
    rows: list[list[float]]

    @property
    def family(self) -> str:
        """The family of its source."""
        return family(self.query["source"])


def see(data: Path) -> tuple[list[Seen], list[Seen]]:
    """Every query of the data sets, asked of its corpus; and every everyday query."""
    judged = asked(read_lines(data / "dev" / "queries.jsonl"), data / "corpora")
    return list(_seen(judged)), list(_seen(asked_everyday(data)))


def _seen(every: Iterable[tuple[Record, Index, Mapping[str, str]]]) -> Iterator[Seen]:
    for query, index, judged in every:
        found, rows = index.signals(query["query"])
        yield Seen(query, [judged[each.id] for each in found], rows)


def learn(seen: Sequence[Seen], unused: Collection[str] = ()) -> Any:
    """A booster that ranks the relevant first. Every source counts alike, however many queries it has."""
    lightgbm, numpy = import_module("lightgbm"), import_module("numpy")
    sizes = Counter(each.query["source"] for each in seen)
    used = [each for each in seen if each.rows]
    rows = numpy.array(list(chain.from_iterable(each.rows for each in used)))
    for name in unused:
        rows[:, SIGNALS.index(name)] = 0
    labels = [int(one in each.query["relevant"]) for each in used for one in each.ids]
    weights = [
        (EVERYDAY if "api" in each.query else 1) / sizes[each.query["source"]] for each in used for _ in each.ids
    ]
    mean = sum(weights) / len(weights)
    groups, weights = [len(each.ids) for each in used], [each / mean for each in weights]
    return lightgbm.train(RANKED, lightgbm.Dataset(rows, labels, group=groups, weight=weights))


def ranked(seen: Seen, booster: Any) -> list[str]:
    """The ids of one query's candidates, best first."""
    if not seen.rows:
        return []
    scores = booster.predict(seen.rows)
    return [one for _, one in sorted(zip(scores, seen.ids, strict=True), key=lambda pair: -pair[0])]


def left_out(
    seen: Sequence[Seen], fold: Callable[[Seen], str], others: Sequence[Seen] = (), unused: Collection[str] = ()
) -> dict[str, list[str]]:
    """Every query ranked by what was learned from the folds that it is not in, and from the others."""
    answers: dict[str, list[str]] = {}
    for one in sorted({fold(each) for each in seen}):
        booster = learn([*(each for each in seen if fold(each) != one), *others], unused)
        answers |= {each.query["id"]: ranked(each, booster) for each in seen if fold(each) == one}
    return answers


def trees(booster: Any, names: Sequence[str]) -> list[Any]:
    """The trees of a booster, as `isthmus.catalog.forest` reads them; those that ask nothing are left out."""
    found = [_tree(each["tree_structure"], names) for each in booster.dump_model()["tree_info"]]
    return [each for each in found if isinstance(each, list)]


def _tree(node: Record, names: Sequence[str]) -> Any:
    if "leaf_value" in node:
        return round(node["leaf_value"], 5) + 0.0
    sides = (_tree(node[side], names) for side in ("left_child", "right_child"))
    return [names[node["split_feature"]], float(f"{node['threshold']:.6g}"), *sides]


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
        "meaning": ("meaning", "clause"), "clauses": "clause", "said": "said", "creates": ("creates", "deletes"),
    }  # fmt: skip
    return {kind: tuple(name for name in SIGNALS if name.startswith(prefix)) for kind, prefix in kinds.items()}


def main() -> None:
    """Read the arguments, measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--ablate", action="store_true")
    arguments = parser.parse_args()
    seen, everyday = see(arguments.data)
    report("families left out", seen, left_out(seen, lambda each: each.family, everyday), whole=True)
    report(
        "a fifth of the queries left out", seen, left_out(seen, lambda each: fifth(each.query), everyday), whole=True
    )
    report("everyday, APIs left out", everyday, left_out(everyday, lambda each: apart(each.query), seen), whole=True)
    if arguments.ablate:
        for kind, names in groups().items():
            report(
                f"families left out, without {kind}", seen, left_out(seen, lambda each: each.family, everyday, names)
            )
            answers = left_out(everyday, lambda each: apart(each.query), seen, names)
            report(f"everyday, APIs left out, without {kind}", everyday, answers)
    if arguments.write:
        lines = ",\n".join(
            json.dumps(tree, separators=(",", ":")) for tree in trees(learn([*seen, *everyday]), SIGNALS)
        )
        RANKING.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
