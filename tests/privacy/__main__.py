"""`python -m tests.privacy`: the search for canaries, over both transports, in both modes, and its own check.

python -m tests.privacy [--face stdio] [--mode seal]     all scenes; then everything that left, and all that was kept
python -m tests.privacy --outputs                         what was searched, one by one
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import anyio

from tests.privacy.canaries import forms, found_in, planted
from tests.privacy.scenes import FACES, MODES, Face, House, Mode, commands, kept, opened, play, play_again

SHOWN = 4
"""Executions that `isthmus show` and `replay` are asked for; the report has all of them."""


@dataclass(frozen=True, slots=True)
class Searched:
    """One house, searched. `found` has canaries by output; `planted` and `noticed` count the check of the search."""

    face: Face
    mode: Mode
    answers: int
    canaries: int
    forms: Counter[str]
    sizes: dict[str, int]
    found: dict[str, list[str]]
    planted: int
    noticed: int

    def line(self) -> str:
        """The house as a row of the table."""
        hits = sum(map(len, self.found.values()))
        return (
            f"{self.face:14}{self.mode:6}{self.answers:8}{self.canaries:10}{self.forms.total():7}{len(self.sizes):9}"
            f"{sum(self.sizes.values()):13,}{hits:7}    {self.noticed} of {self.planted}"
        )


HEAD = "transport     mode   answers  canaries  forms  outputs        bytes  found    planted, and found"


async def searched(face: Face, mode: Mode) -> Searched:
    """Play all scenes in a house of its own, end it, play on in another, and search."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with opened(face, mode, folder) as house:
            told = await play(house)
            first = kept(house)
        async with opened(face, mode, folder, house.service) as later:
            told += await play_again(later, told)
            executions = [str(each.facts["execution"]) for each in told[:SHOWN]]
            outputs = {f"{where}, before the restart": text for where, text in first.items()} | kept(later)
            outputs |= commands(later, executions)
            return judged(later, len(told), outputs)


def judged(house: House, answers: int, outputs: dict[str, bytes]) -> Searched:
    """What the search finds, and whether it finds what is planted into what it has searched."""
    canaries = house.canaries
    copies = list(planted(outputs["the wire"], canaries))
    return Searched(
        house.face,
        house.mode,
        answers,
        len(canaries),
        Counter(form for value in canaries.values() for form, _ in forms(str(value))),
        {where: len(text) for where, text in outputs.items()},
        {where: names for where, text in outputs.items() if (names := found_in(text, canaries))},
        len(copies),
        sum(name in found_in(copy, {name: canaries[name]}) for name, _, copy in copies),
    )


def main() -> int:
    """Search the houses that are asked for. 1 if a canary was found, or one that was planted was not."""
    parser = argparse.ArgumentParser("python -m tests.privacy", description=__doc__.splitlines()[0])
    parser.add_argument("--face", choices=FACES, help="one transport only")
    parser.add_argument("--mode", choices=MODES, help="one mode only")
    parser.add_argument("--outputs", action="store_true", help="list what was searched")
    chosen = parser.parse_args()
    print(HEAD)
    results = []
    for face in FACES:
        for mode in MODES:
            if chosen.face in (None, face) and chosen.mode in (None, mode):
                results.append(anyio.run(searched, face, mode))
                print(results[-1].line(), flush=True)
    for result in results:
        for where, size in result.sizes.items() if chosen.outputs else ():
            print(f"  {result.face}, {result.mode}: {size:>10,} bytes of {where}")
        for where, names in result.found.items():
            print(f"  FOUND with {result.face}, {result.mode}, in {where}: {', '.join(names)}")
    print(f"forms: {', '.join(f'{name} ({count})' for name, count in results[0].forms.items())}; in either case")
    wrong = any(result.found or result.noticed < result.planted for result in results)
    fine = "no canary got out, and each that was planted was found"
    print("a canary got out, or the search is blind" if wrong else fine)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
