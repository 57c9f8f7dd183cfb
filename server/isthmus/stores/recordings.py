"""Recordings as folders of plain files in the project, each made, replaced and removed as a whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from isthmus.contracts.recorded import FILE, NAME, Recorded, RecordedCall, read
from isthmus.errors import ConfigurationError

MAX_FILE = 64 * 2**20
"""Bytes of one file that are read."""


@dataclass(frozen=True, slots=True)
class RecordingFolder:
    """The recordings below a folder, which need not be there."""

    path: Path

    def names(self) -> list[str]:
        """What is recorded: the folders that hold a recording."""
        if not self.path.is_dir():
            return []
        return sorted(each.name for each in self.path.iterdir() if NAME.fullmatch(each.name) and (each / FILE).exists())

    def read(self, name: str) -> Recorded:
        """One recording.

        Raises:
            ConfigurationError: it is not there, or is none.
        """
        folder = self._folder(name)
        if not (folder / FILE).is_file():
            there = ", ".join(self.names()) or "none"
            raise ConfigurationError("there is no such recording", file=str(folder), remedy=f"there are: {there}")
        return read({file.name: _text(file) for file in sorted(folder.iterdir()) if _is_part(file)}, str(folder))

    def calls(self) -> list[RecordedCall]:
        """The calls of all recordings.

        Raises:
            ConfigurationError: one is none.
        """
        return [call for name in self.names() for run in self.read(name).runs for call in run.calls]

    def write(self, name: str, files: Mapping[str, str], *, replace: bool) -> Path:
        """Keep a recording, whole or not at all; gives its folder.

        Raises:
            ConfigurationError: there is one of that name, and it is not to be replaced; or it cannot be written.
        """
        folder = self._folder(name)
        if folder.exists() and not replace:
            remedy = "give the new one another name (--name), or replace it (--replace)"
            raise ConfigurationError(f"there is a recording called {name}", file=str(folder), remedy=remedy)
        if folder.exists() and not (folder / FILE).is_file():
            raise ConfigurationError("that folder holds no recording", file=str(folder), remedy="choose another --name")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".recording-", dir=self.path) as made:
                self._swap(Path(made), folder, files)
        except OSError as error:
            raise _failed("written", folder, error) from None
        return folder

    def _swap(self, made: Path, folder: Path, files: Mapping[str, str]) -> None:
        new = made / "new"
        new.mkdir()
        for file, text in files.items():
            (new / file).write_bytes(text.encode("utf-8"))
        if folder.exists():
            folder.rename(made / "old")  # which goes with the temporary folder
        new.rename(folder)

    def remove(self, name: str) -> Path:
        """Remove a recording.

        Raises:
            ConfigurationError: it is not there, or cannot be removed.
        """
        self.read(name)
        folder = self._folder(name)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise _failed("removed", folder, error) from None
        return folder

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            remedy = "letters, digits, - and _, at most 64, the first a letter or a digit"
            raise ConfigurationError(f"a recording cannot be called {name!r:.80}", remedy=remedy)
        return self.path / name


def _is_part(file: Path) -> bool:
    return file.is_file() and file.suffix in (".py", ".json")


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_FILE:
            raise ConfigurationError(
                f"it has {file.stat().st_size:,} bytes, more than {MAX_FILE:,}", file=str(file), remedy="record less"
            )
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise _failed("read", file, error) from None
    except UnicodeDecodeError:
        raise ConfigurationError("it is not UTF-8", file=str(file), remedy="take it from version control") from None


def _failed(done: str, path: Path, error: OSError) -> ConfigurationError:
    reason = error.strerror or type(error).__name__
    return ConfigurationError(f"it cannot be {done}: {reason}", file=str(path), remedy="check the folder")
