"""What must not lie in the clear: sealed under a key, by AES-256-GCM.

The key is the operator's, or a file in the folder for data, made when it is first needed. Such a file keeps what is
taken away without it (a journal, a backup of sessions) from being read; it does not keep out who can read all of it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from isthmus.errors import InternalError
from isthmus.stores.data import key_of

KEY_BYTES = 32
_NONCE = 12
_SALT = b"isthmus: private values, version 1"


@dataclass(frozen=True, slots=True)
class Box:
    """Seals and opens under one key of 32 bytes."""

    key: bytes = field(repr=False)

    def sealed(self, content: bytes, about: str) -> bytes:
        """The content, readable with the key only, and only together with `about`, which is not kept in it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self.key).encrypt(nonce, content, about.encode())

    def opened(self, content: bytes, about: str) -> bytes:
        """What was sealed.

        Raises:
            InternalError: it was sealed under another key or about something else, or is damaged.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self.key).decrypt(content[:_NONCE], content[_NONCE:], about.encode())
        except (InvalidTag, ValueError):
            raise InternalError(
                "private data that is kept here cannot be opened: it is of another key, or damaged",
                hint='go on in another session (session="new"); the operator can bring back private.key, or the file '
                "`key` in the folder for data",
            ) from None


def box(folder: Path, passphrase: str | None) -> Box:
    """The box of a folder for data.

    Raises:
        ConfigurationError: its key can be neither read nor made.
    """
    if passphrase is not None:
        return Box(hashlib.scrypt(passphrase.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=KEY_BYTES))
    return Box(hashlib.sha256(_SALT + key_of(folder)).digest())
