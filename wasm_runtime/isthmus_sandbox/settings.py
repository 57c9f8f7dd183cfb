"""What the operator can choose about the sandbox, and what a worker is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

StartMethod = Literal["fork", "spawn"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker. The names in the reports of lost guests are those of these fields."""

    memory_mb: int = 256  # of the guest: beyond it, MemoryError in the program
    cpu: float = 20.0  # seconds of processor time for one program
    workspace_mb: int = 256  # of the files in its workspace
    step_bytes: int = 36 * MIB  # of one step of a guest (which itself keeps to 34)
    outcome_bytes: int = 16 * MIB  # of one outcome: beyond it, the program fails, and the guest lives on
    events_bytes: int = 64 * MIB  # of one answer to a guest
    received_bytes: int = 512 * MIB  # of all that a guest says in one run


@dataclass(frozen=True, slots=True)
class Settings:
    """How workers are made.

    `start_method` None: `fork` from a zygote where that is sound (Linux), else `spawn`. The directories and the
    component are found where they belong if they are None.
    """

    limits: Limits = Limits()
    spares: int = 2  # workers kept ready
    most: int = 1000  # workers beside them, so that the process may open enough files
    start_method: StartMethod | None = None
    component: Path | None = None  # the guest, a WebAssembly component
    cache_directory: Path | None = None  # for compiled components: trusted, so only its owner may write it
    runtime_directory: Path | None = None  # for workspaces of guests that were given none
    start_timeout: float = 30.0  # seconds for a worker or zygote to be ready
