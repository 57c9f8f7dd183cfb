"""The shape of `private:`: what of upstreams' answers is private, and where it may go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from isthmus.config.closed import Closed

Kind = Literal["email", "phone", "card", "iban", "ssn", "ip"]
Mode = Literal["seal", "mask"]
Name = Annotated[str, Field(pattern=r"^[A-Z]([A-Z0-9_]{0,28}[A-Z])?$")]


class PrivateField(Closed):
    """A part of answers that is private: what paths lead to, or what is of some kinds, or what is of them there."""

    operations: list[str] = Field(
        default=["*"], min_length=1, description="Globs of operation ids, as 'crm.customers.*'. By default, all."
    )
    paths: list[str] = Field(
        default=[], description="JSONPaths on answers, as '$..name' or '$.items[*].address'. By default, the whole."
    )
    kinds: list[Kind] = Field(
        default=[], description="Only what is of these kinds, there. By default, all that the paths lead to."
    )
    called: Name | None = Field(
        default=None, description="How its tokens are called: NAME for [NAME_1]. By default, as the path's last name."
    )
    mode: Mode | None = Field(default=None, description="For this field: 'seal' or 'mask'. By default, private.mode.")


class ReleaseConfig(Closed):
    """Where sealed values may go, beside the upstream that they came from."""

    to: list[str] = Field(min_length=1, description="Globs of operation ids, as 'mail.send'.")
    kinds: list[str] = Field(
        default=["*"], min_length=1, description="Globs of kinds, as tokens have them: EMAIL. By default, all."
    )


class PrivateConfig(Closed):
    """What the model need not see. SECURITY.md says what each mode promises, and what breaks 'mask'."""

    mode: Mode = Field(
        default="seal",
        description="'seal': programs get tokens in the place of values, as [EMAIL_1]. 'mask', weaker: programs "
        "compute on values, and whatever leaves for the model is searched for them.",
    )
    kinds: list[Kind] = Field(default=[], description="Kinds that are private wherever they stand in any answer.")
    fields_: list[PrivateField] = Field(default=[], alias="fields", description="Further parts of answers.")
    release: list[ReleaseConfig] = Field(
        default=[], description="Where tokens become values again. By default, in calls of the upstream they came from."
    )
    values: int = Field(
        default=20_000, ge=1, le=1_000_000, description="Private values that one session may meet; about 1 KB each."
    )
    key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="What kept values are encrypted with; best as ${NAME}. By default, `seal.key` in `data`.",
    )
