"""The component's entry: made while it is built, entered for each program."""

from __future__ import annotations

import os

import wit_world  # type: ignore[import-not-found]  # made by componentize-py from specs/guest.wit

from guest import clock, image, stdlib
from guest.session import Guest
from guest.zones import read_zones

_clock = clock.Clock()
for _module, _name, _function in clock.install(_clock):  # first of all: modules keep what they import by name
    setattr(_module, _name, _function)
FOUND, MISSING = stdlib.load()
_leave = os._exit
image.rehearse()
_guest = Guest(wit_world.exchange, give_up=lambda: _leave(1), clock=_clock, zones=read_zones(), workspace="/workspace")
_guest.install()


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]  # made by componentize-py
    """The world `sandbox`."""

    def run(self, program: str) -> str:
        """Run one program to its end."""
        return _guest.run(program)


IMAGE = image.settle()
