"""Where a configuration is looked for when none is named, and where data is kept when it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from isthmus.errors import ConfigurationError

NAME = "isthmus.yaml"


def home(environ: Mapping[str, str]) -> str | None:
    """The user's home, where the environment names it."""
    return environ.get("HOME") or environ.get("USERPROFILE")


def candidates(folder: Path, environ: Mapping[str, str], platform: str) -> tuple[Path, ...]:
    """The places in their order: the working directory, then the user's own configuration.

    `platform` is as `sys.platform` has it. XDG_CONFIG_HOME counts wherever it is set.
    """
    own = _user_folder(environ, platform)
    return (folder / NAME,) if own is None else (folder / NAME, own / "isthmus" / NAME)


def _user_folder(environ: Mapping[str, str], platform: str) -> Path | None:
    if said := environ.get("XDG_CONFIG_HOME"):
        return Path(said)
    if platform == "win32":
        return Path(environ["APPDATA"]) if environ.get("APPDATA") else None
    if not (home := environ.get("HOME")):
        return None
    return Path(home) / ("Library/Application Support" if platform == "darwin" else ".config")


def data_folder(environ: Mapping[str, str], platform: str) -> Path:
    """The user's own folder for what outlives a server. XDG_DATA_HOME counts wherever it is set.

    Raises:
        ConfigurationError: the environment names no home.
    """
    if said := environ.get("XDG_DATA_HOME"):
        return Path(said) / "isthmus"
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"]) / "isthmus" / "data"
    if home := environ.get("HOME"):
        return Path(home) / ("Library/Application Support" if platform == "darwin" else ".local/share") / "isthmus"
    raise ConfigurationError(
        "there is no folder for data: the environment names no home",
        remedy="name one in the configuration, as data: /path/to/folder",
    )


def find(folder: Path, environ: Mapping[str, str], platform: str) -> Path:
    """The first of the candidates that exists.

    Raises:
        ConfigurationError: there is none; the remedy says how to get one.
    """
    places = candidates(folder, environ, platform)
    for place in places:
        if place.exists():
            return place
    looked = " and ".join(map(str, places))
    raise ConfigurationError(
        f"there is no configuration: looked for {looked}",
        remedy="write one with 'isthmus init', name one with --config FILE, or see what this is with 'isthmus demo'",
    )
