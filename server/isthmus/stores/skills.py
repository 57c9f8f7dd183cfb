"""Skills as files: a plain folder of Python for each principal, and one that a team keeps in version control.

    <root>/<digest of the principal>/late_orders.py        the skill: a header of comments, and its source
    <root>/<digest of the principal>/late_orders.lock      the contracts of the operations that it uses

The team's folder looks the same. Everyone of this server may use what is in it; only `local`, the one principal of
stdio, saves there. All others save to folders of their own, which nobody else sees. No name leads out of a folder: it
is checked, links are not followed, and whatever is no regular file of a bounded size is no skill.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from isthmus.errors import ConfigurationError, InternalError, InvalidArguments, LimitExceeded, NotFound, Refused
from isthmus.model import Principal
from isthmus.skills.files import read, written
from isthmus.skills.skill import Kept, Skill, Usage, check_name
from isthmus.stores.skill_ledger import SkillLedger
from isthmus.stores.whole import write_whole

_SUFFIX, _LOCK = ".py", ".lock"
MAX_LOCK = 4 * 2**20
"""Bytes of one skill's contracts."""

MAX_FILES = 10_000
"""Entries of a folder that are looked at."""

_OWNER_OF_TEAM = "local"


@dataclass(frozen=True, slots=True)
class Quota:
    """What one folder may hold: skills, bytes of all their files, and bytes of one skill's source file."""

    skills: int
    bytes: int
    each: int


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that is no skill, and why."""

    file: str
    problem: str


Stamp = tuple[int, int, int, int]
"""When a skill's two files were written, and their sizes."""


@dataclass(slots=True, eq=False)
class SkillFolders:
    """The shelves of all principals. `team` is the folder that the configuration names, if it names one."""

    root: Path
    ledger: SkillLedger
    quota: Quota
    team: Path | None = None
    _read: dict[Path, tuple[Stamp, Kept | Unusable]] = field(default_factory=dict)
    _saving: threading.Lock = field(default_factory=threading.Lock)

    def all(self, principal: Principal) -> Sequence[Kept]:
        """Every skill that a principal may use, by name. The team's come before one's own of the same name."""
        found: dict[str, Kept] = {}
        for folder in self._folders(principal):
            for each in self._entries(folder):
                if isinstance(each, Kept):
                    found.setdefault(each.skill.name, each)
        return [found[name] for name in sorted(found)]

    def unusable(self, principal: Principal) -> Sequence[Unusable]:
        """The files in a principal's folders that look like skills, and are none."""
        found = [each for folder in self._folders(principal) for each in self._entries(folder)]
        return [each for each in found if isinstance(each, Unusable)]

    def get(self, principal: Principal, name: str) -> Kept | None:
        """One skill; None where there is none.

        Raises:
            InvalidArguments: there is a file of that name which is no skill.
        """
        check_name(name)
        for folder in self._folders(principal):
            found = self._one(folder / f"{name}{_SUFFIX}")
            if isinstance(found, Unusable):
                raise InvalidArguments(f"the file of the skill {name} cannot be used: {found.problem}")
            if found is not None:
                return found
        return None

    def put(self, principal: Principal, skill: Skill, lock: str) -> None:
        """Save a skill in place of what has its name, whole or not at all.

        Raises:
            LimitExceeded: there is no more room.
            Refused: the name is taken by the team's.
            InternalError: the file cannot be written.
        """
        check_name(skill.name)
        folder = self._own(principal)
        text = written(skill)
        with self._saving:
            self._check_place(folder, skill.name)
            self._check_room(folder, skill.name, len(text.encode()), len(lock.encode()))
            _write(folder, f"{skill.name}{_LOCK}", lock)
            _write(folder, f"{skill.name}{_SUFFIX}", text)
        self.ledger.remember(_shelf(principal), skill.name, skill.version, text, lock)

    def remove(self, principal: Principal, name: str) -> None:
        """Take a skill away, with its past.

        Raises:
            NotFound: there is none that is the principal's to remove.
        """
        folder = self._own(principal)
        try:
            (folder / f"{check_name(name)}{_SUFFIX}").unlink()
            (folder / f"{name}{_LOCK}").unlink(missing_ok=True)
        except FileNotFoundError:
            raise NotFound(f"there is no skill {name!r} in {folder}") from None
        except OSError as error:
            raise _cannot("removed", error) from None
        self.ledger.forget(_shelf(principal), name)

    def versions(self, principal: Principal, name: str) -> Mapping[int, Kept]:
        """The versions of a skill that are kept, the newest first."""
        found = self.ledger.versions(_shelf(principal), check_name(name))
        return {number: Kept(read(text, name), lock) for number, (text, lock) in found.items()}

    def usage(self, principal: Principal) -> Mapping[tuple[str, str], Usage]:
        """What became of the calls of skills, by name and hash."""
        return self.ledger.usage(_shelf(principal))

    def used(self, principal: Principal, uses: Iterable[tuple[str, str, Usage]]) -> None:
        """Add to the record of use; each by name and hash."""
        self.ledger.add(_shelf(principal), uses)

    def close(self) -> None:
        """Nothing more will be asked."""
        self.ledger.close()

    # folders

    def _folders(self, principal: Principal) -> list[Path]:
        own = self.root / _shelf(principal)
        return [own] if self.team is None else [self.team, own]

    def _own(self, principal: Principal) -> Path:
        """Where a principal's skills are saved."""
        if self.team is not None and principal.name == _OWNER_OF_TEAM:
            return self.team
        return self.root / _shelf(principal)

    def _check_place(self, folder: Path, name: str) -> None:
        if folder != self.team and self.team is not None and (self.team / f"{name}{_SUFFIX}").exists():
            raise Refused(f"the team has a skill {name!r}", remedy="save yours under another name")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot("saved", error) from None

    def _check_room(self, folder: Path, name: str, size: int, lock: int) -> None:
        if size > self.quota.each:
            raise LimitExceeded(
                f"the skill has {size:,} bytes, more than {self.quota.each:,} (skills.each_kb)",
                limit="skills.each_kb",
                hint="save a smaller function, and give it its data as parameters",
            )
        if lock > MAX_LOCK:
            raise LimitExceeded(
                f"the contracts of its operations have {lock:,} bytes, more than {MAX_LOCK:,}",
                limit="skills.each_kb",
                hint="save several skills that use fewer operations each",
            )
        sizes = _sizes(folder)
        others = {each: bytes_ for each, bytes_ in sizes.items() if each.rpartition(".")[0] != name}
        count = sum(each.endswith(_SUFFIX) for each in others)
        if count >= self.quota.skills or sum(others.values()) + size + lock > self.quota.bytes:
            which = "skills.most" if count >= self.quota.skills else "skills.mb"
            raise LimitExceeded(
                f"there is no room for another skill ({which}): {count:,} are kept",
                limit=which,
                hint="save under the name of one that it replaces; a person removes some with isthmus skills delete",
            )

    # files

    def _entries(self, folder: Path) -> list[Kept | Unusable]:
        names = [name for name in _sizes(folder) if name.endswith(_SUFFIX) and not name.startswith(("_", "."))]
        found = (self._one(folder / name) for name in sorted(names))
        return [each for each in found if each is not None]

    def _one(self, path: Path) -> Kept | Unusable | None:
        """What a file holds, read again only when it was written again; None where there is none."""
        try:
            stamp = _stamp(path)
        except FileNotFoundError:
            self._read.pop(path, None)
            return None
        except OSError as error:
            return Unusable(path.name, error.strerror or "it cannot be read")
        kept = self._read.get(path)
        if kept is None or kept[0] != stamp:
            kept = self._read[path] = (stamp, self._looked_at(path))
        return kept[1]

    def _looked_at(self, path: Path) -> Kept | Unusable:
        try:
            text = _content(path, max(self.quota.each, 1))
            lock = path.with_suffix(_LOCK)
            contracts = _content(lock, MAX_LOCK) if lock.is_file() else ""
            return Kept(read(text, path.stem), contracts, path.parent == self.team)
        except InvalidArguments as error:
            return Unusable(path.name, "; ".join(filter(None, (error.message, error.hint))))
        except (OSError, UnicodeDecodeError) as error:
            return Unusable(path.name, getattr(error, "strerror", None) or "it is not UTF-8")


def team_folder(folder: Path) -> Path:
    """The team's folder, made if need be.

    Raises:
        ConfigurationError: it is no folder, or anyone on this machine could put skills into it.
    """
    remedy = "name a folder in your project, as skills: {folder: skills}"
    try:
        folder.mkdir(exist_ok=True)
        found = folder.stat()
    except OSError as error:
        problem = f"the folder for skills, {folder}, cannot be used: {error.strerror}"
        raise ConfigurationError(problem, remedy=remedy) from None
    if sys.platform != "win32" and found.st_mode & stat.S_IWOTH:
        problem = f"anyone on this machine could put skills into {folder}"
        raise ConfigurationError(problem, remedy=f"chmod o-w {folder}")
    return folder


def _shelf(principal: Principal) -> str:
    return hashlib.sha256(principal.name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _sizes(folder: Path) -> dict[str, int]:
    """The regular files of a folder, with their sizes; none where there is no folder."""
    sizes: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_FILES:
                    break
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    sizes[entry.name] = found.st_size
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _cannot("read", error) from None
    return sizes


def _stamp(path: Path) -> Stamp:
    own = path.lstat()
    try:
        lock = path.with_suffix(_LOCK).lstat()
    except FileNotFoundError:
        return own.st_mtime_ns, own.st_size, 0, 0
    return own.st_mtime_ns, own.st_size, lock.st_mtime_ns, lock.st_size


def _content(path: Path, most: int) -> str:
    """The text of a regular file of at most so many bytes; a link is not followed, and a pipe is not waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidArguments("it is no regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise InvalidArguments(f"it has more than {most:,} bytes")
    return content.decode("utf-8")


def _write(folder: Path, name: str, text: str) -> None:
    """Write a file whole, or not at all; an empty text is no file."""
    path = folder / name
    try:
        if not text:
            path.unlink(missing_ok=True)
            return
        write_whole(path, text, 0o644 if folder.stat().st_mode & 0o044 else 0o600)
    except OSError as error:
        raise _cannot("saved", error) from None


def _cannot(what: str, error: OSError) -> InternalError:
    return InternalError(
        f"skills cannot be {what}: {error.strerror}",
        hint="the operator can look at the folder for data, or name one for skills (skills: {folder: ...})",
    )
