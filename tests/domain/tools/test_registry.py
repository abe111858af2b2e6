from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cairn.domain.tools import ToolRegistry, UnknownTool, load_tools, tool
from cairn.settings import Settings


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "shop_tools.py").write_text(
        "from cairn.domain.tools import tool\n@tool\ndef refund(order: str) -> str:\n    'Refund.'\n    return order\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "shop_tools"
    sys.modules.pop("shop_tools", None)


def test_the_tools_of_a_module_join_the_built_in_ones(module: str) -> None:
    registry = load_tools(Settings(tool_modules=[module]))
    assert registry.get("refund").description == "Refund."
    assert registry.names() == sorted(
        ["calculate", "current_time", "echo", "read_skill", "refund", "search_library", "text_statistics"]
    )


def test_every_built_in_tool_says_what_it_does() -> None:
    for each in load_tools(Settings()):
        assert len(each.description) > 20
        assert each.parameters["type"] == "object"


def test_two_tools_of_one_name_are_refused() -> None:
    @tool
    def echo(value: int) -> int:
        """Another one."""
        return value

    registry = load_tools(Settings())
    with pytest.raises(ValueError, match="Two tools are named 'echo'"):
        registry.register(echo)


@pytest.mark.parametrize(
    ("name", "message"), [("no_such_module_at_all", "cannot be imported"), ("json", "has no function")]
)
def test_a_module_without_tools_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_tools(Settings(tool_modules=[name]))


def test_an_unknown_tool_names_the_known_ones() -> None:
    with pytest.raises(UnknownTool, match="no tool 'ecco'; known tools: calculate, current_time, echo") as caught:
        load_tools(Settings()).get("ecco")
    assert (caught.value.code, caught.value.retryable) == ("unknown_tool", False)
    with pytest.raises(UnknownTool):
        ToolRegistry().get("echo")
