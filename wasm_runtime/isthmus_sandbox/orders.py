"""What a worker or a zygote is told when it is started."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from isthmus_sandbox.settings import Limits


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker or a zygote is told on its command line, as one JSON text."""

    compiled: str  # the compiled component
    workspace: str  # the directory that the guest sees; a zygote's is empty, and each worker puts its own in its place
    parent: int  # the process that started this one
    limits: Limits

    def to_text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Orders:
        """From the command line."""
        value = json.loads(text)
        return cls(value["compiled"], value["workspace"], value["parent"], Limits(**value["limits"]))
