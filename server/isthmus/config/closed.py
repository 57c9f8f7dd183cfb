"""What every part of the configuration is: closed and frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Closed(BaseModel):
    """Unknown keys are errors: a misspelt policy must not be a missing policy."""

    # An error of pydantic's own would quote the value at fault, which may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
