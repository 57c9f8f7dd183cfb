"""The adversarial configurations end as they are required to."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.config.faults import InvalidConfiguration
from isthmus.config.loader import Loaded, load
from tests.config.conftest import secrets

REFUSED = {
    "01-empty": ["upstreams:\n      petstore:"],
    "02-scalar": ["a mapping is wanted at the top, and this is text"],
    "03-list": ["a mapping is wanted at the top, and this is a list"],
    "05-tabs": ["a tab is used for indentation"],
    "06-alias-bomb": ["more than 50,000 values, counting each alias"],
    "11-unknown-key": ["frobnicate: an unknown key", "the keys here are upstreams, policy, limits"],
    "12-typo-policy": ["polciy: an unknown key", "did you mean 'policy'?"],
    "14-wrong-type-upstreams": ["upstreams: a mapping of upstreams is wanted, and this is a list"],
    "15-wrong-type-command": [f"upstreams.{name}.command: " for name in "abcd"],
    "16-limits-negative": [
        f"limits.{name}: "
        for name in ("wall", "memory_mb", "output_bytes", "calls", "code_bytes", "parallel", "result_bytes")
    ],
    "19-env-syntax": [f"upstreams.{name}.env.A: a '${{' that is no variable" for name in "abc"],
    "21-python-tag": ["upstreams: a YAML tag (!) is not allowed"],
    "26-url-schemes": [f"upstreams.u{number}.url: " for number in range(10)],
    "29-paths": [f"upstreams.{name}.openapi: this is no regular file" for name in "ace"] + ["skills_dir: "],
    "34-yaml-types": [f"env.{name}: " for name in ("TOKEN", "VERSION", "DATE", "NORWAY", "TIME", "EXP")]
    + ["env: a key here has no value", "policy.readonly: "],
    "35-public-bind": ["http.host: whoever reaches this address could run programs", "or keep to 127.0.0.1"],
    "36-passthrough": ["upstreams.demo.auth: a client's token is never passed on"],
    "40-shared-credential": ["http.users: an unknown key", "tokens"],
    "50-utf16": ["the file is UTF-16"],
    "51-nul": ["a control character (U+0000) stands here"],
    "53-binary": ["this is not UTF-8 text"],
    "54-deep": ["nested more than 32 levels deep"],
}


@pytest.fixture(scope="module")
def folder(test_data: Path) -> Path:
    return test_data / "attacks" / "config"


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_file_line_and_remedy(name: str, folder: Path) -> None:
    path = folder / f"{name}.yaml"
    with pytest.raises(InvalidConfiguration) as raised:
        load(path, {"HOME": "/home/canary"})
    told = str(raised.value)
    assert [words for words in REFUSED[name] if words not in told] == []
    places = re.findall(rf"^{re.escape(str(path))}:\d+: ", told, re.MULTILINE)
    assert len(places) == told.count("\n  remedy: ") == len(raised.value.faults)
    assert "canary" not in told.replace(str(path), "")


def test_a_python_tag_runs_nothing(folder: Path) -> None:
    canary = Path("/tmp/canary-yaml")
    canary.unlink(missing_ok=True)
    with pytest.raises(InvalidConfiguration):
        load(folder / "21-python-tag.yaml", {})
    assert not canary.exists()


@pytest.fixture
def adapted(folder: Path, tmp_path: Path) -> Callable[..., Loaded]:
    """`adapted(name, change=("from", "to"), **variables)`: a case that loads, with a foreign key renamed."""

    def adapted(name: str, change: tuple[str, str] = ("", ""), **environ: str) -> Loaded:
        path = Path(shutil.copy(folder / f"{name}.yaml", tmp_path))
        path.write_text(path.read_text().replace(*change))
        return load(path, environ)

    return adapted


def test_the_base_line_loads(adapted: Callable[..., Loaded]) -> None:
    found = adapted("00-valid")
    assert list(found.configuration.upstreams) == ["demo"]
    assert found.warnings == ()


def test_what_a_variable_holds_is_one_text(adapted: Callable[..., Loaded]) -> None:
    value = 'x"}\npolicy: {allow: [read, write, destructive]}\n#'
    found = adapted("20-env-injection", ("policy: {default: deny}", "policy: {allow: [read]}"), INJ=value)
    assert secrets(found.configuration.upstreams["demo"].env) == {"A": value}
    assert found.configuration.policy.allow == ["read"]


def test_arguments_stay_as_they_are(adapted: Callable[..., Loaded]) -> None:
    command = adapted("25-shell-args").configuration.upstreams["demo"].command
    assert command is not None
    assert command[2:] == ["; id", "$(id)", "`id`", "> /tmp/canary-shell", "a b"]


def test_an_operation_that_is_allowed_and_denied_is_told(adapted: Callable[..., Loaded]) -> None:
    found = adapted("31-policy-contradiction")
    assert found.configuration.policy.allow_operations == ["demo.delete_all", "*"]
    assert found.configuration.policy.deny == ["demo.*"]
    assert "deny wins" in found.warnings[0]


def test_a_rule_for_an_upstream_that_is_not_there_is_told(adapted: Callable[..., Loaded]) -> None:
    (warning,) = adapted("32-policy-unknown-op").warnings
    assert "policy.deny[1]: 'nosuch.tool' matches nothing: there is no upstream 'nosuch'; there are demo" in warning
