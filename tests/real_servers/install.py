"""Make a folder of real MCP servers for the tests: `python tests/real_servers/install.py FOLDER`.

In its subfolder `tools` are the MCP Inspector and the official conformance suite, with the Node.js that they ask for.
It needs npm, and a network or a registry nearby. Then run the tests with ISTHMUS_TEST_SERVERS=FOLDER.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

NODE = (
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
)
TOOLS = (
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "@modelcontextprotocol/inspector@2.12.0",
    "node@24",  # both need Node.js 22 or later; this is one, whatever the machine has
)
PYTHON = ("mcp-server-git==2026.10.19", "mcp-server-time==2026.10.19")


def main(arguments: list[str]) -> int:
    """Install into the folder that is named; what is there already is brought to the versions above."""
    npm = shutil.which("npm")
    if len(arguments) != 1 or npm is None:
        print(__doc__ if npm else "npm was not found: install Node.js", file=sys.stderr)
        return 2
    folder = Path(arguments[0]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for place, packages in ((folder, NODE), (folder / "tools", TOOLS)):
        place.mkdir(exist_ok=True)
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--prefix", str(place), *packages], check=True)
    venv.create(folder / "venv", with_pip=True)
    subprocess.run([str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "-q", *PYTHON], check=True)
    print(f"ISTHMUS_TEST_SERVERS={folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
