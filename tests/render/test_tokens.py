import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.render.tokens import estimate
from tests.simulators.o200k import count_tokens

ROOT = Path(__file__).resolve().parents[2]


def assert_close(text: str) -> None:
    ratio = estimate(text) / count_tokens(text)
    assert 0.98 <= ratio <= 1.25


def test_python_is_estimated_closely() -> None:
    for path in sorted((ROOT / "server" / "isthmus").rglob("*.py")):
        if len(text := path.read_text()) > 1000:
            ratio = estimate(text) / count_tokens(text)
            assert 0.96 <= ratio <= 1.25, path


def test_tool_lists_are_estimated_closely(test_data: Path) -> None:
    for path in sorted((test_data / "mcp").glob("*.json")):
        tools = json.loads(path.read_text())["tools"]
        assert_close("\n".join(tool.get("description") or "" for tool in tools))
        assert_close(json.dumps(tools))


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("0123456789 " * 50, 1.25),
        ("3f2a9c0d-77b1-4e0a-9b7e-1c2d3e4f5a6b\n" * 20, 1.25),
        ("Возвращает список задач пользователя по идентификатору. " * 5, 2.0),
        ("使用必应搜索指定的关键词，并返回搜索结果列表。" * 5, 2.0),  # noqa: RUF001
        ("プロジェクト識別子によってタスクの一覧を返します。" * 5, 2.0),
        ("يعيد قائمة بمهام المستخدم وحالاتها حسب معرف المشروع " * 5, 2.0),
        ("ส่งคืนรายการงานของผู้ใช้และสถานะตามรหัสโครงการ" * 5, 2.0),
        ("Gibt die Aufträge zurück, die größtmöglich übereinstimmen. " * 5, 2.0),
        ("😀🚀✅🔥 " * 20, 2.0),
    ],
)
def test_other_texts_are_never_estimated_low(text: str, most: float) -> None:
    assert 0.98 <= estimate(text) / count_tokens(text) <= most


@given(st.text())
def test_any_text_has_an_estimate_that_grows_with_it(text: str) -> None:
    assert estimate("") == 0
    assert estimate(text * 3) >= estimate(text) >= 0


def test_long_runs_cost_in_proportion() -> None:
    assert estimate("a" * 500_000) > 80_000
    assert estimate(" " * 500_000) < 10_000
