"""Direct calls of models for a tenant: whole answers, or told while they are written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cairn.contracts import json
from cairn.contracts.direct_calls import DIRECT_CALL_NODE, DirectAnswer, DirectRequest
from cairn.contracts.json import JsonObject
from cairn.domain.executions.story import TokenFeed
from cairn.domain.executions.token_readers import Told, Visit, VisitReader
from cairn.domain.llm.model import Choice
from cairn.domain.llm.service import LlmConfigService
from cairn.domain.principal import Principal
from cairn.errors import CairnError
from cairn.persistence.types import utc_now
from cairn.settings import Settings
from cairn.temporal.direct_calls import DirectCallClient, StartedCall, may_pass


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked; members as of ``DirectRequest``."""

    use_case: str
    messages: list[JsonObject]
    model: str | None = None
    system: str | None = None
    tools: list[JsonObject] = field(default_factory=list[JsonObject])
    output_schema: JsonObject | None = None
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model answered, and under which id."""

    id: str
    answer: DirectAnswer


@dataclass(frozen=True, slots=True)
class CallEvent:
    """What is told of a call while it is under way.

    A ``start`` voids the text that was told before it. ``content`` of a delta is a text, else an object.
    """

    type: Literal["start", "delta", "end", "error"]
    call_id: str
    content: str | JsonObject
    seq: int
    timestamp: datetime


class DirectCalls:
    """Calls models for a principal. The workers do it, and read the tenant's keys by themselves."""

    def __init__(
        self, client: DirectCallClient, configs: LlmConfigService, principal: Principal, settings: Settings
    ) -> None:
        """Take the client, and whose models are called."""
        self._client = client
        self._configs = configs
        self._principal = principal
        self._settings = settings

    async def choose(self, use_case: str, model: str | None) -> Choice:
        """Return the model that a call is to use.

        Raises:
            CairnError: there is none, or it is not allowed.
        """
        return await self._configs.choose(use_case, model)

    async def ask(self, question: Question, choice: Choice, key: str | None = None) -> Answered:
        """Wait for the whole answer.

        Args:
            question: what is asked.
            choice: what ``choose`` returned.
            key: names the request over all its tries.

        Raises:
            CairnError: the model failed or takes too long.
        """
        call = await self._client.start(self._request(question, choice, streamed=False), key)
        return Answered(call.id, await call.answer())

    async def stream(
        self, question: Question, choice: Choice, feed: TokenFeed, key: str | None = None
    ) -> AsyncIterator[CallEvent]:
        """Return the events of a call, after the first of them has come; arguments as of ``ask``.

        Raises:
            CairnError: the model failed before it wrote anything.
        """
        call = await self._client.start(self._request(question, choice, streamed=True), key)
        events = _Telling(call, choice.model, feed).events()
        first = await anext(events)
        return _after(first, events)

    def _request(self, question: Question, choice: Choice, *, streamed: bool) -> DirectRequest:
        return DirectRequest(
            tenant=self._principal.tenant,
            live=self._principal.live,
            user_id=self._principal.user_id,
            use_case=question.use_case,
            model=choice.model,
            system=question.system,
            messages=question.messages,
            tools=question.tools,
            output_schema=question.output_schema,
            temperature=question.temperature,
            max_tokens=question.max_tokens,
            timeout=self._settings.llm_timeout,
            streamed=streamed,
        )


async def _after(first: CallEvent, events: AsyncGenerator[CallEvent]) -> AsyncGenerator[CallEvent]:
    async with contextlib.aclosing(events):
        yield first
        async for event in events:
            yield event


@dataclass
class _Telling:
    """One reader of a call."""

    call: StartedCall
    model: str
    feed: TokenFeed
    seq: int = 0
    told: str = ""

    async def events(self) -> AsyncGenerator[CallEvent]:
        answer = asyncio.ensure_future(self.call.answer())
        try:
            async for told in self._tokens(answer):
                for event in self._of_token(told):
                    yield event
            for event in self._of_answer(await answer):
                yield event
        except CairnError as error:
            if not self.seq:
                raise
            told = {"code": error.code, "message": error.message, "retryable": may_pass(error)}
            yield self._event("error", told)
        except (GeneratorExit, asyncio.CancelledError):
            _stopping.add(task := asyncio.ensure_future(self._stop()))
            task.add_done_callback(_stopping.discard)
            raise
        finally:
            answer.cancel()

    async def _tokens(self, answer: asyncio.Future[DirectAnswer]) -> AsyncGenerator[Told]:
        """Yield what the model writes, until there is an answer and all of it is told."""
        workflow_id = self.call.handle.id
        visit = Visit(workflow_id, await self.call.run_id(), DIRECT_CALL_NODE, 1)
        reader = VisitReader(self.feed.database, visit)
        async with self.feed.wakeups.of(workflow_id) as wakeup:
            ended = False
            while not ended:
                ended = answer.done()
                more = True
                while more:
                    told, more = await reader.read()
                    for each in told:
                        yield each
                if not ended:
                    woken = asyncio.ensure_future(wakeup.wait())
                    await asyncio.wait([woken, answer], return_when=asyncio.FIRST_COMPLETED)
                    woken.cancel()

    def _of_token(self, told: Told) -> list[CallEvent]:
        begun = [self._start()] if told.restart or not self.seq else []
        self.told += told.text
        return [*begun, self._event("delta", told.text)] if told.text else begun

    def _of_answer(self, answer: DirectAnswer) -> list[CallEvent]:
        """Return what is left to tell: the text from where its telling broke off, and the end."""
        made = [] if self.seq else [self._start()]
        text = text_of(answer)
        if not answer.tool_calls and text != self.told and not isinstance(answer.content, dict | list):
            if not text.startswith(self.told):
                made.append(self._start())
            made.append(self._event("delta", text[len(self.told) :]))
        return [*made, self._event("end", {"answer": answer.model_dump(mode="json")})]

    def _start(self) -> CallEvent:
        self.told = ""
        return self._event("start", {"model": self.model})

    def _event(self, kind: Literal["start", "delta", "end", "error"], content: str | JsonObject) -> CallEvent:
        self.seq += 1
        return CallEvent(kind, self.call.id, content, self.seq, utc_now())

    async def _stop(self) -> None:
        with contextlib.suppress(CairnError):
            await self.call.stop()


_stopping: set[asyncio.Task[None]] = set()


def text_of(answer: DirectAnswer) -> str:
    """Return the answer as a text; a structured one as JSON."""
    if answer.content is None:
        return ""
    return answer.content if isinstance(answer.content, str) else json.canonical(answer.content)
