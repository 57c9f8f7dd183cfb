"""From a file to its tree: what it must be (a regular file, UTF-8, of bounded size) before it is parsed."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from isthmus.config.faults import Findings, unreadable
from isthmus.config.json_reader import read_json
from isthmus.config.nodes import Node
from isthmus.config.yaml_reader import SMALLEST, read_yaml

MAX_BYTES = 1 << 20
"""The size of a configuration file."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_tree(path: Path, findings: Findings) -> Node:
    """The tree of a file: JSON where its name or its first character says so, YAML otherwise.

    Raises:
        Unreadable: it cannot be read or parsed at all.
    """
    text = decoded(read_bytes(path))
    return read_json(text, findings) if is_json(path, text) else read_yaml(text, findings)


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file; a device, a directory or a pipe is never opened."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise unreadable(f"this is {_file_kind(status.st_mode)}, not a file", "name the configuration file itself")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise unreadable("there is no such file", "make one with: isthmus init") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise unreadable(f"it cannot be read: {reason}", "look at its owner and permissions") from None
    if len(content) > MAX_BYTES:
        raise unreadable(f"larger than {MAX_BYTES:,} bytes", "a configuration is far smaller: is this the right file?")
    return content


def decoded(content: bytes) -> str:
    """The text of UTF-8 bytes, without a byte order mark.

    Raises:
        Unreadable: another encoding, or characters that no text holds.
    """
    if content.startswith(_UTF16):
        raise unreadable("the file is UTF-16", "save it as UTF-8", 1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unreadable("this is not UTF-8 text", "save it as UTF-8, or is this the right file?", line) from None
    if found := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        problem = f"a control character (U+{ord(found[0]):04X}) stands here"
        raise unreadable(problem, "remove it; is this the right file?", line)
    if not text.strip():
        raise unreadable("the file is empty", SMALLEST, 1)
    return text


def is_json(path: Path, text: str) -> bool:
    """Whether a file is JSON: by its name, else by its first character."""
    if path.suffix in {".yaml", ".yml"}:
        return False
    return path.suffix in {".json", ".jsonc"} or text.lstrip().startswith(("{", "//", "/*"))


def _file_kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
