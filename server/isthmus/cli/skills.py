"""`isthmus skills`: what programs have saved, looked at, reviewed, mended, taken away, and carried elsewhere."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli.common import CONNECTING, add_config, loaded, log, printable, run_async, say
from isthmus.errors import ConfigurationError, InvalidArguments, NotFound

if TYPE_CHECKING:
    from isthmus.config.loader import Loaded
    from isthmus.model import Operation, Principal, UpstreamSnapshot
    from isthmus.skills.skill import Kept, Listed, Skill
    from isthmus.stores.skills import SkillFolders

MAX_TEXT = 1_000_000
"""Bytes of a file that is read here."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which."""
    add_config(parser)
    parser.add_argument("--principal", default="local", metavar="NAME", help="whose skills (default: local, of stdio)")
    parser.add_argument("--offline", action="store_true", help="do not connect to upstreams to see what has changed")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    one = actions.add_parser("list", help="all of them: what they use, how they fare, what is broken")
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    one = actions.add_parser("show", help="one of them, with its source")
    one.add_argument("name")
    one.add_argument("--version", type=int, metavar="N", help="a former version")
    one.add_argument("--json", action="store_true", help="as one JSON object")
    one = actions.add_parser(
        "edit", help="change one in your editor, or take its text from a file; it counts as reviewed"
    )
    one.add_argument("name")
    one.add_argument("--file", metavar="FILE", help="the new text; - for stdin")
    one = actions.add_parser("review", help="say that you have read one, and agree: programs cannot replace it then")
    one.add_argument("name", nargs="+")
    one = actions.add_parser("delete", help="remove some, with their record")
    one.add_argument("name", nargs="+")
    one = actions.add_parser("export", help="copy some, or all, to a folder")
    one.add_argument("folder", type=Path)
    one.add_argument("name", nargs="*")
    one.add_argument("--force", action="store_true", help="write over files that are there")
    one = actions.add_parser("import", help="take skills from files, or from all .py files of a folder")
    one.add_argument("path", type=Path, nargs="+")
    one.add_argument("--force", action="store_true", help="replace skills of the same name")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from isthmus.compose import skill_folders
    from isthmus.model import Principal

    found = loaded(arguments)
    folders = skill_folders(found.configuration, found.base, log)
    try:
        shelf = Shelf(found, folders, Principal(arguments.principal), offline=arguments.offline)
        return int(ACTIONS[arguments.action](shelf, arguments))
    finally:
        folders.close()


@dataclass(frozen=True, slots=True)
class Shelf:
    """The skills of one principal, and the operations as they are now."""

    found: Loaded
    folders: SkillFolders
    principal: Principal
    offline: bool

    def get(self, name: str) -> Kept:
        """One of them.

        Raises:
            NotFound: there is none.
        """
        kept = self.folders.get(self.principal, name)
        if kept is None:
            raise NotFound(f"there is no skill {name!r}; isthmus skills list shows those that are there")
        return kept

    def live(self, names: Collection[str]) -> dict[str, UpstreamSnapshot]:
        """How these upstreams stand, of those that are configured."""
        from isthmus.compose import listed

        configured = self.found.configuration.upstreams
        wanted = {name: configured[name] for name in names if name in configured}
        if self.offline or not wanted:
            return {}
        snapshots: list[UpstreamSnapshot] = []

        async def look() -> None:
            own = self.found.configuration.model_copy(update={"upstreams": wanted})
            snapshots.extend(await listed(own, base=self.found.base, seconds=CONNECTING))

        run_async(look)
        return {each.name: each for each in snapshots}

    def listed(self, every: Sequence[Kept]) -> list[Listed]:
        """Skills with their record, and why any is broken, as far as its upstreams can be seen."""
        from isthmus.model import UpstreamState
        from isthmus.skills.skill import Listed, Usage
        from isthmus.skills.standing import broken, writes

        snapshots = self.live({use.partition(".")[0] for kept in every for use in kept.skill.uses})
        operations = {each.id: each for one in snapshots.values() for each in one.operations}
        ready = {name for name, one in snapshots.items() if one.state is UpstreamState.READY}
        for name in snapshots.keys() - ready:
            log(f"{name} is {snapshots[name].state}: whether skills that use it still work is not known")
        usage = self.folders.usage(self.principal)
        return [
            Listed(
                kept,
                usage.get((kept.skill.name, kept.skill.hash), Usage()),
                broken(kept, operations.get, ready.__contains__),
                writes(kept.skill, operations.get) if ready else (),
            )
            for kept in every
        ]


def _list(shelf: Shelf, arguments: argparse.Namespace) -> int:
    every = shelf.listed(shelf.folders.all(shelf.principal))
    for each in every:
        say(json.dumps(_facts(each)) if arguments.json else "\n".join(_lines(each)))
    for file in shelf.folders.unusable(shelf.principal):
        log(f"{file.file} is no skill: {file.problem}")
    if not every and not arguments.json:
        say("no skill is saved; save_skill(function, description) in a program saves one")
    return 1 if any(each.broken for each in every) else 0


def _show(shelf: Shelf, arguments: argparse.Namespace) -> int:
    from isthmus.skills.files import written

    kept = shelf.get(arguments.name)
    versions = shelf.folders.versions(shelf.principal, arguments.name)
    if arguments.version is not None:
        if arguments.version not in versions:
            have = ", ".join(map(str, versions)) or "none"
            raise NotFound(f"version {arguments.version} of {arguments.name} is not kept; there are: {have}")
        kept = versions[arguments.version]
    [each] = shelf.listed([kept])
    if arguments.json:
        say(json.dumps({**_facts(each), "source": kept.skill.source, "versions": list(versions)}))
        return 0
    for line in _lines(each):
        say(line)
    say(f"  versions kept: {', '.join(map(str, versions)) or 'none'}")
    say("\n".join(printable(line) for line in written(kept.skill).splitlines()))
    return 0


def _edit(shelf: Shelf, arguments: argparse.Namespace) -> int:
    from isthmus.skills.files import read, written

    kept = shelf.get(arguments.name)
    before = written(kept.skill)
    text = _edited(before, arguments.name) if arguments.file is None else _text(arguments.file)
    if text == before and kept.skill.is_reviewed:
        say(f"{arguments.name} is as it was")
        return 0
    skill = _save(shelf, read(text, arguments.name), reviewed=True)
    say(f"{skill.name} is version {skill.version} now, reviewed")
    return 0


def _review(shelf: Shelf, arguments: argparse.Namespace) -> int:
    for name in arguments.name:
        kept = shelf.get(name)
        shelf.folders.put(shelf.principal, replace(kept.skill, reviewed=kept.skill.hash), kept.lock)
        say(f"{name}, version {kept.skill.version}, is reviewed")
    return 0


def _delete(shelf: Shelf, arguments: argparse.Namespace) -> int:
    for name in arguments.name:
        shelf.folders.remove(shelf.principal, name)
        say(f"{name} is gone")
    return 0


def _export(shelf: Shelf, arguments: argparse.Namespace) -> int:
    from isthmus.skills.files import written

    names = arguments.name or [kept.skill.name for kept in shelf.folders.all(shelf.principal)]
    texts: dict[str, str] = {}
    for name in names:
        kept = shelf.get(name)
        texts[f"{name}.py"] = written(kept.skill)
        texts.update({f"{name}.lock": kept.lock} if kept.lock else {})
    there = [name for name in texts if (arguments.folder / name).exists()]
    if there and not arguments.force:
        raise ConfigurationError(f"{there[0]} is there already", file=str(arguments.folder), remedy="pass --force")
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (arguments.folder / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        problem = f"skills cannot be written here: {error.strerror}"
        raise ConfigurationError(problem, file=str(arguments.folder), remedy="name another folder") from None
    say(f"{len(names):,} {'skill' if len(names) == 1 else 'skills'} in {arguments.folder}")
    return 0


def _import(shelf: Shelf, arguments: argparse.Namespace) -> int:
    taken = {}
    for path in _files(arguments.path):
        skill = _named(path, partial(_read, path))
        if shelf.folders.get(shelf.principal, skill.name) is not None and not arguments.force:
            raise ConfigurationError(f"there is a skill {skill.name!r}", file=str(path), remedy="pass --force")
        beside = path.with_suffix(".lock")
        taken[path] = (skill, _text(str(beside)) if beside.is_file() else "")
    for path, (skill, lock) in taken.items():
        saved = _named(path, partial(_save, shelf, skill, reviewed=False, lock=lock))
        say(f"{saved.name}, version {saved.version}; read it, then: isthmus skills review {saved.name}")
    return 0


ACTIONS: dict[str, Callable[[Shelf, argparse.Namespace], int]] = {
    "list": _list,
    "show": _show,
    "edit": _edit,
    "review": _review,
    "delete": _delete,
    "export": _export,
    "import": _import,
}


# -- parts


def _save(shelf: Shelf, given: Skill, *, reviewed: bool, lock: str = "") -> Skill:
    """Check and keep what a person gives. `lock` are the contracts that came with it, which count before today's."""
    from isthmus.contracts.lock import read
    from isthmus.skills.making import made

    upstreams = tuple(shelf.found.configuration.upstreams)
    before = shelf.folders.get(shelf.principal, given.name)
    snapshots = shelf.live([name for name in upstreams if name in given.source])
    operations: list[Operation] = [each for one in snapshots.values() for each in one.operations]
    new = made(
        given.name,
        given.source,
        given.description,
        before=before.skill if before else None,
        operations=operations,
        upstreams=upstreams,
    )
    uses = tuple(read(lock, f"{given.name}.lock").operations) if lock else new.skill.uses or given.uses
    skill = replace(new.skill, uses=uses, example=given.example)
    skill = replace(skill, saved_at=given.saved_at, saved_by=given.saved_by, saved_in=given.saved_in)
    skill = replace(skill, reviewed=skill.hash) if reviewed else skill
    shelf.folders.put(shelf.principal, skill, lock or new.lock)
    return skill


def _facts(each: Listed) -> dict[str, Any]:
    """Everything but the source, as plain data."""
    skill, usage = each.skill, each.usage
    own = {
        key: value for key, value in asdict(skill).items() if key not in ("source", "reviewed", "stated", "description")
    }
    return {
        **own,
        "description": printable(skill.description),
        "hash": skill.hash,
        "reviewed": skill.is_reviewed,
        "edited": skill.is_edited,
        "team": each.kept.team,
        "calls": usage.calls,
        "successes": usage.successes,
        "failures": usage.failures,
        "stopped": usage.stopped,
        "last_use": usage.last or None,
        "broken": list(each.broken),
    }


def _lines(each: Listed) -> Iterator[str]:
    """A skill for people, in a few lines."""
    from datetime import datetime

    from isthmus.skills.check import signature_of
    from isthmus.skills.stubs import marks

    skill = each.skill
    yield printable(f"{skill.name}: {skill.description}")
    yield printable(f"  {signature_of(skill.name, skill.source)}")
    last = f", last {datetime.fromtimestamp(each.usage.last).isoformat(' ', 'minutes')}" if each.usage.last else ""
    yield printable(f"  {'; '.join(mark for mark in marks(each) if not mark.startswith('BROKEN'))}{last}")
    if skill.uses:
        yield printable(f"  uses {', '.join(skill.uses)}")
    for reason in each.broken:
        yield printable(f"  BROKEN: {reason}")


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.glob("*.py") if not each.name.startswith(("_", ".")))
        elif path.is_file():
            yield path
        else:
            raise ConfigurationError("there is no such file", file=str(path), remedy="name a .py file, or a folder")


def _read(path: Path) -> Skill:
    from isthmus.skills.files import read

    return read(_text(str(path)), path.stem)


def _named(path: Path, step: Callable[[], Skill]) -> Skill:
    """The step's result; what is wrong is told with the file's name."""
    try:
        return step()
    except InvalidArguments as error:
        raise ConfigurationError(error.message, file=str(path), remedy=error.hint or "mend the file") from None


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read(MAX_TEXT + 1) if file == "-" else Path(file).read_bytes()
        if len(content) > MAX_TEXT:
            raise ConfigurationError(f"it has more than {MAX_TEXT:,} bytes", file=file, remedy="name a smaller one")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"it cannot be read: {reason}", file=file, remedy="name a text file") from None


def _edited(text: str, name: str) -> str:
    """The text as a person leaves it in the editor."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.py")
        path.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603 (the user's own editor)
        except OSError as error:
            remedy = "set EDITOR, or pass --file"
            raise ConfigurationError(
                f"the editor {editor!r} cannot be started: {error.strerror}", remedy=remedy
            ) from None
        if done.returncode:
            raise ConfigurationError(f"the editor ended with {done.returncode}: nothing is saved", remedy="try again")
        return _text(str(path))
