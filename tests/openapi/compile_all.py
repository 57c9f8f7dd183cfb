"""Every document of the test data, read and compiled, with times: `python -m tests.openapi.compile_all [--deep]`.

With `--deep`, each operation is planned, its arguments are checked, a request is built, and its output schema compiled.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.simulators.openapi_service import example

from isthmus.errors import ConfigurationError, InvalidArguments
from isthmus.model import Operation
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from isthmus.openapi.plan import read_plan
from isthmus.openapi.requests import build_request
from isthmus.validation import Validation

ROOT = Path(__file__).resolve().parents[2]


def main(deep: bool) -> None:
    """Print one line for each document, and the sum."""
    folder = Path(os.environ.get("ISTHMUS_TEST_DATA", ROOT.parent / "shared" / "data")) / "specs"
    total, began = 0, time.perf_counter()
    for path in sorted(folder.glob("*.json.gz")):
        total += one(path, deep)
    print(f"{total} operations in {time.perf_counter() - began:.2f} s")


def one(path: Path, deep: bool) -> int:
    name = path.name.removesuffix(".json.gz")
    began = time.perf_counter()
    try:
        document = read_document(path.read_bytes(), path.name)
    except ConfigurationError as error:
        print(f"{name:32} refused: {error.message}")
        return 0
    read = time.perf_counter()
    compiled = compile_operations(document, "api")
    done = time.perf_counter()
    print(
        f"{name:32} {len(compiled.operations):6} operations  read {read - began:5.2f} s  "
        f"compiled {done - read:5.2f} s  {len(compiled.warnings)} warnings"
    )
    if deep:
        exercised(compiled.operations)
    return len(compiled.operations)


def exercised(operations: tuple[Operation, ...]) -> None:
    """Use each operation as a call would, and print what is odd."""
    slowest, odd = 0.0, 0
    for operation in operations:
        began = time.perf_counter()
        arguments: dict[str, Any] = {
            parameter.name: example(parameter.schema, operation.document)
            for parameter in operation.parameters
            if parameter.required
        }
        validation = Validation()
        mended, problems = validation.check(operation, arguments)
        odd += bool(problems)
        try:
            build_request(operation, read_plan(operation).inputs, mended)
        except InvalidArguments as error:
            print(f"    {operation.original}: {error}")
        validation.answer_problems(operation, {})
        slowest = max(slowest, time.perf_counter() - began)
    print(f"    slowest first call {slowest * 1000:.0f} ms; examples that do not fit: {odd} of {len(operations)}")


if __name__ == "__main__":
    main("--deep" in sys.argv)
