"""The whole standard library, imported: in the component, what is not imported when it is built is not there.

`load` is called once, while the component is built. `specs/stdlib.md` lists what it found, made from the component.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

SKIPPED = frozenset(
    {
        *("antigravity", "this", "turtle", "turtledemo", "idlelib", "lib2to3", "test", "ensurepip", "__phello__"),
        *("__hello__", "_pyrepl", "pip"),
    }
)
"""They open windows, print when imported, or are tools of no use here."""


def load() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Import everything that can be.

    Returns: the modules by name; and for each of the others, why it is not there.
    """
    found: dict[str, ModuleType] = {}
    missing: dict[str, str] = {}
    waiting = sorted(sys.stdlib_module_names - SKIPPED, reverse=True)
    with _quiet():
        while waiting:
            name = waiting.pop()
            try:
                module = importlib.import_module(name)
            except BaseException as error:  # noqa: BLE001 (modules of other platforms fail in every way)
                missing[name] = f"{type(error).__name__}: {error}"
                continue
            found[name] = module
            waiting.extend(_children(module))
    return found, missing


def _children(module: ModuleType) -> Iterator[str]:
    for child in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if child.name not in ("test", "tests", "__main__") and not child.name.startswith("_test"):
            yield f"{module.__name__}.{child.name}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    nowhere = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        yield
