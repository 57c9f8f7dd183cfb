"""Run the adversarial programs of the test data against `isthmus serve`: `python -m tests.attacks [--only GLOB]`.

The programs and their runner belong to the test data (see `tests/conftest.py`); ours are the configuration and the
names by which the programs find our bridge. Each program gets a session of its own. The exit code is that of the
runner.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WALL = 5

SAVE = (
    "lambda name, source: str(call('isthmus.skills.save', {'name': name, 'description': source[:200], "
    "'source': f'def {name}():' + (chr(10) + source.strip()).replace(chr(10), chr(10) + '    ')}))"
)
"""Round `save_skill`, and with a function around the text, so that the hostile body gets as far as it can."""

BINDINGS = {
    "raw_call": "lambda b: __import__('wit_world').exchange(b.decode('latin-1') if isinstance(b, bytes) else b)",
    "allowed_call": "demo.echo(text='ping')",
    "allowed_name": "demo.echo",
    "forbidden_call": "demo.delete_all()",
    "forbidden_name": "demo.delete_all",
    "hanging_call": "hanging.hang()",
    "failing_call": "failing.fail()",
    "poison_call": "poisoned.issue()",
    "big_call": "huge.big(n=100_000_000)",
    "private_read_call": "demo.echo(text='a private record')",
    "public_write_call": "demo.delete_all(text=SECRET)",
    "skill_save": SAVE,
    "skill_load": "lambda name: getattr(__import__('skills'), name)()",
}


def configuration(upstreams: Path, record: Path) -> dict[str, object]:
    """What the server is given: the recording upstream, and those that hang, flood and deceive."""

    def script(name: str, **more: object) -> dict[str, object]:
        return {"command": [sys.executable, str(upstreams / f"{name}.py")], **more}

    return {
        "upstreams": {
            "demo": script("recorder", env={"RECORD_FILE": str(record)}),
            "hanging": script("never_answer"),
            "huge": script("huge_answer", effects={"*": "read"}),
            "poisoned": script("poisoned_results"),
            "failing": script("exit_on_start"),
        },
        "policy": {"allow": ["read", "write", "destructive"], "deny": ["demo.delete_all"]},
        "data": "data",
        "limits": {"wall": WALL, "memory_mb": 256},
    }


def main() -> int:
    """Write the configuration and the bindings, and hand over to the runner."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("--only", default="*", help="a glob of program names")
    parser.add_argument("--json", help="where to write the report")
    options = parser.parse_args()
    data = Path(os.environ.get("ISTHMUS_TEST_DATA", ROOT.parent / "shared" / "data")) / "attacks"
    if not data.is_dir():
        print(f"no adversarial programs: set ISTHMUS_TEST_DATA (looked in {data})", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        config, bindings = Path(folder, "isthmus.yaml"), Path(folder, "bindings.json")
        config.write_text(json.dumps(configuration(data / "upstreams", Path(folder, "calls.jsonl"))))
        bindings.write_text(json.dumps(BINDINGS))
        command = [sys.executable, str(data / "harness" / "run_snippets.py"), "--target", "mcp"]
        command += ["--bindings", str(bindings), "--limit", str(WALL), "--only", options.only]
        command += ["--extra", json.dumps({"session": "new"})]
        command += ["--json", options.json] if options.json else []
        server = [sys.executable, "-m", "isthmus", "serve", "--config", str(config)]
        return subprocess.run([*command, "--", *server], env=_environment(), check=False).returncode


def _environment() -> dict[str, str]:
    """This environment, with our sources importable where the package is not installed."""
    sources = [str(ROOT / "server"), str(ROOT / "wasm_runtime")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*sources, os.environ.get("PYTHONPATH", "")])}


if __name__ == "__main__":
    sys.exit(main())
