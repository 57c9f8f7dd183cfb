"""What `isthmus.yaml` says of skills."""

from __future__ import annotations

from pydantic import Field

from isthmus.config.closed import Closed


class SkillsConfig(Closed):
    """Functions that programs save, as Python files, for later sessions."""

    folder: str | None = Field(
        default=None,
        min_length=1,
        description="A folder that a team keeps in version control, relative to this file. Everyone of this server may "
        "use what is in it; over stdio, skills are saved there. By default, each has a folder of their own in 'data'.",
    )
    save: bool = Field(default=True, description="Whether programs may save skills; those that are there can be used.")
    most: int = Field(default=200, ge=1, le=2000, description="Skills of one folder.")
    mb: int = Field(default=8, ge=1, le=1024, description="MiB of one folder, the contracts of operations included.")
    each_kb: int = Field(default=16, ge=1, le=64, description="KiB of one skill.")
