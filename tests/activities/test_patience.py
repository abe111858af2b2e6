"""Turns wait for a database that is away: it costs them no try."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from calls import environment, node_call
from temporalio.exceptions import ApplicationError

from activities import patience
from activities.llm_conversation import ConversationTurns
from cairn.domain.conversations.turns import TurnMessages
from cairn.domain.llm.tenant_models import TenantModels
from cairn.errors import NotFound, Unavailable


class Away:
    """Messages and a model in a database that does not answer at first, so many times."""

    secret = "theirs"

    def __init__(self, times: int) -> None:
        self._left: Iterator[None] = iter([None] * times)
        self.asked: list[str] = []

    def _answer(self, what: str) -> None:
        self.asked.append(what)
        for _ in self._left:
            raise Unavailable("The database does not answer.", retry_after=1)

    async def earlier(self, *_: Any) -> list[Any]:
        self._answer("earlier")
        return ["said"]

    async def keep(self, *_: Any, **__: Any) -> None:
        self._answer("keep")

    @asynccontextmanager
    async def open(self, *_: Any) -> AsyncGenerator[Any]:
        self._answer("open")
        yield self


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES", (0.0, 0.0))


CALL = node_call(conversation={"id": "c", "message_id": "m"})


def turns(away: Away) -> ConversationTurns:
    return ConversationTurns(cast("TurnMessages", away), cast("TenantModels", away))


async def test_what_was_said_is_read_and_kept_when_the_database_is_there_again() -> None:
    away = Away(2)
    assert await turns(away).earlier(CALL) == cast("list[Any]", ["said"])
    away = Away(2)
    await turns(away).keep(CALL, [], "answer", finished=True)
    assert away.asked == ["keep"] * 3


async def test_a_model_is_opened_once_the_database_is_there_again() -> None:
    away = Away(2)
    async with turns(away).model(CALL) as opened:
        assert opened.secret == "theirs"
    assert away.asked == ["open"] * 3


async def test_a_database_that_stays_away_costs_a_try() -> None:
    with pytest.raises(ApplicationError) as refused:
        await environment().run(turns(Away(3)).earlier, CALL)
    assert (refused.value.type, refused.value.non_retryable) == ("unavailable", False)


async def test_what_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Away(0)

    async def gone(*_: Any) -> list[Any]:
        away.asked.append("earlier")
        raise NotFound("No such conversation.", code="conversation_not_found")

    monkeypatch.setattr(away, "earlier", gone)
    with pytest.raises(ApplicationError) as refused:
        await environment().run(turns(away).earlier, CALL)
    assert (refused.value.type, refused.value.non_retryable) == ("conversation_not_found", True)
    assert away.asked == ["earlier"]
