"""The guide says what is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from cairn.domain.tools import ToolContext, ToolError, load_tools
from cairn.settings import Settings

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "tools-and-models.md").read_text("utf-8")
CONTEXT = ToolContext("key", "execution", "tenant", True, "node", 1, "lineage")


async def test_the_example_is_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "shop_of_the_guide.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    refund = load_tools(Settings(tool_modules=["shop_of_the_guide"])).get("refund")
    sys.modules.pop("shop_of_the_guide")
    assert await refund.run({"order": "7", "amount": 2}, CONTEXT) == {"refund": "7: 2.0", "key": "key"}
    with pytest.raises(ToolError) as caught:
        await refund.run({"order": "closed-7", "amount": 2}, CONTEXT)
    assert (caught.value.code, caught.value.retryable) == ("order_closed", False)


def test_every_built_in_tool_is_in_the_table_with_its_arguments() -> None:
    for tool in load_tools(Settings()):
        (arguments,) = re.findall(rf"^\| `{tool.name}` \| (.*?) \|", GUIDE, re.MULTILINE)
        assert re.findall(r"`(\w+)\??`", arguments.replace("(`UTC`)", "")) == list(tool.parameters["properties"])


def test_every_code_of_the_activities_is_in_the_table() -> None:
    told = set(re.findall(r"`(\w+)`", GUIDE.partition("## Codes")[2]))
    files = ("http.py", "llm.py", "llm_agent.py", "llm_turn.py", "llm_errors.py")
    code = "".join((ROOT / "activities" / name).read_text("utf-8") for name in files)
    raised = set(re.findall(r'node_error\(\s*"(\w+)"', code)) | set(re.findall(r'Error, "(\w+)", (?:True|False)', code))
    assert len(raised) > 15
    assert raised - told == set()
