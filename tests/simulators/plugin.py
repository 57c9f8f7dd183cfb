"""How a pytest of its own comes to our plugin: by its entry point where Isthmus is installed, else by name."""

from __future__ import annotations

from importlib.metadata import entry_points


def named_plugin() -> list[str]:
    """The options that name the plugin; none where pytest finds it by itself, and would refuse it twice."""
    installed = "isthmus" in entry_points(group="pytest11").names
    return [] if installed else ["-p", "isthmus.pytest_plugin"]
