"""A configuration from a text, and the faults of one."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from isthmus.config.faults import InvalidConfiguration
from isthmus.config.loader import Loaded, load

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """`loaded(text, name="isthmus.yaml", **variables)`."""

    def loaded(text: str | bytes, name: str = "isthmus.yaml", **environ: str) -> Loaded:
        return load(_written(tmp_path / name, text), environ)

    return loaded


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """The faults of a text, each as `line: keys: problem -> remedy`; fails where there are none."""

    def faults(text: str | bytes, name: str = "isthmus.yaml", **environ: str) -> list[str]:
        path = _written(tmp_path / name, text)
        with pytest.raises(InvalidConfiguration) as raised:
            load(path, environ)
        blocks = str(raised.value).split(f"{path}:")[1:]
        return [block.strip().replace("\n  remedy: ", " -> ") for block in blocks]

    return faults


def _written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def secrets(mapping: Mapping[str, object]) -> dict[str, str]:
    """The texts of secret values."""
    return {key: value.get_secret_value() for key, value in mapping.items()}  # type: ignore[attr-defined]
