"""Turns of conversations: begun, followed, waited for."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator
from typing import Any, cast

from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.agents.rows import find_agent, find_subagent
from cairn.domain.chat.asked import Asked, until_asked
from cairn.domain.chat.model import Ask, ChatEvent, Reply, Turn
from cairn.domain.chat.order import TurnOrder
from cairn.domain.chat.together import TurnStory
from cairn.domain.conversations import ConversationService
from cairn.domain.conversations.branching import discard_after
from cairn.domain.conversations.model import NewMessage
from cairn.domain.conversations.rows import find_message, messages_of, touch
from cairn.domain.conversations.turns import SURFACE
from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.service import ExecutionService
from cairn.domain.executions.story import TokenFeed
from cairn.domain.executions.stream import Following, follow
from cairn.domain.llm import LlmConfigService
from cairn.domain.usage.model import user_of
from cairn.errors import BadGateway, CairnError, Conflict, Forbidden, NotFound, Unavailable
from cairn.persistence.tables import AgentRow, ConversationRow, ExecutionRow, MessageRow
from cairn.temporal.direct_calls import model_failure

PATIENCE = 300.0
"""Seconds that a request waits for a whole turn."""


class ChatService:
    """Turns of one principal's conversations, within one session; commits nothing."""

    def __init__(
        self, executions: ExecutionService, conversations: ConversationService, configs: LlmConfigService
    ) -> None:
        """Take what runs turns, what keeps their messages, and what says which models may be asked."""
        self._executions = executions
        self._conversations = conversations
        self._configs = configs

    async def begin(self, agent: str, ask: Ask, subagent: str | None = None) -> Turn:
        """Write a turn down, or find the one that the same message has begun. After the commit follows ``start``.

        Args:
            agent: the agent.
            ask: what is said to it.
            subagent: have this sub-agent of the agent take the turn.

        Raises:
            NotFound: no such agent, sub-agent or conversation.
            Conflict: another turn of the conversation is under way (``turn_running``), the message's id is another
                message's (``message_exists``), the agent or the conversation is archived.
            InvalidInput, Forbidden, Conflict: the model cannot be asked (see ``cairn.domain.llm.policy.choose``).
            RateLimited: the monthly budget is used up.
        """
        row = await self._agent(agent, subagent)
        conversation = await self._conversation(ask)
        said = await self._conversations.named(ask.message_id)
        if said is not None:
            return await self._attach(said, row, ask)
        try:
            async with self._executions.session.begin_nested():
                return await self._begin(row, conversation, ask)
        except Conflict as error:
            known = error.code in ("message_exists", "turn_running")
            said = await self._conversations.named(ask.message_id) if known else None
            if said is None:
                raise
            return await self._attach(said, row, ask)  # the same request was quicker

    async def again(self, conversation: str, message: str, model: str | None, begun: str | None = None) -> Turn:
        """Have a person's message answered anew; what came after it counts no more. After the commit follows ``start``.

        Args:
            conversation: the conversation.
            message: the person's message, or an agent's answer to it.
            model: to ask in place of the agent's own; None: that.
            begun: execution that an earlier try of the same request has begun.

        Raises:
            NotFound: no such conversation, or it has no such message, or its agent is gone.
            Conflict: a turn is under way (``turn_running``), no person's message stands there (``no_user_message``), or
                the conversation is archived (``conversation_archived``).
            CairnError: the model cannot be asked, or the budget is used up, as of ``begin``.
        """
        row = await self._conversations.lock(conversation)
        if begun is not None:
            execution = await self._executions.require(begun)
            return _turn(execution, execution.workflow_uuid, row, str(execution.metadata_["message_id"]))
        self._conversations.refuse_archived(row)
        said = await self._asked(row, message)
        agent = await find_agent(self._executions.session, self._executions.principal.scope, row.agent_id)
        await self._conversations.refuse_running(row)
        choice = await self._configs.choose("chat", model or agent.model)
        before = await self._executions.find(said.execution_id) if said.execution_id is not None else None
        number = await discard_after(self._conversations, row, said)
        await self._conversations.mark(row, "rollback", said.key, {"discarded": number, "replayed": True})
        ask = Ask(said.content, said.id, metadata=before.metadata_ if before is not None else {})
        execution = await self.run(agent, row.id, ask, choice.model if model else None)
        said.execution_id = execution.id
        await touch(self._executions.session, row)
        return _turn(execution, agent.uuid, row, said.id)

    async def _asked(self, row: ConversationRow, message: str) -> MessageRow:
        """Return the person's message that a message is, or answers."""
        session, scope = self._executions.session, self._executions.principal.scope
        found = await find_message(session, scope, row, message)
        if found.role == "user":
            return found
        earlier = await messages_of(session, scope, row, col(MessageRow.key) < found.key)
        said = [each for each in earlier if each.role == "user"]
        if not said:
            raise Conflict("No person's message stands there.", code="no_user_message")
        # While the agent wrote others may have been added.
        its = [each for each in said if each.execution_id is not None and each.execution_id == found.execution_id]
        return (its or said)[-1]

    async def start(self, turn: Turn) -> None:
        """Have the turn taken, once however often it is asked.

        Raises:
            Unavailable: the database does not answer.
        """
        if not turn.execution.started:
            await self._executions.start(turn.execution)

    async def events(
        self, turn: Turn, feed: TokenFeed, after: int | None = None, *, verbose: bool = False
    ) -> AsyncGenerator[ChatEvent]:
        """Return the events of a turn as they come, those after number ``after`` alone.

        Raises:
            Unavailable: Temporal does not answer, or the turn has not reached it yet (``turn_running``): it will, and
                the same message, sent again, follows it.
        """
        temporal_id, temporal = turn.execution.temporal_id, self._executions.temporal
        story = TurnStory(
            turn,
            TurnOrder(feed.database, temporal_id, turn.execution_id),
            lambda child: follow(temporal, child, child, Following(reasoning=True, stops=True), feed),
            -1 if after is None else after,
            verbose=verbose,
        )
        # Whoever asks: what is told in one order is written down by whoever is first.
        how = Following(apart=story.teller.apart, reasoning=True, stops=True)
        try:
            return story.tell(await self._executions.events(turn.execution_id, how, feed))
        except Conflict as error:
            # What is said is written down, and is no refusal: the reconciler has it taken.
            raise _not_yet(turn) from error

    async def whole(self, turn: Turn, feed: TokenFeed, patience: float = PATIENCE) -> Reply:
        """Wait for a turn's end, or until it waits for people.

        Raises:
            Unavailable: it takes longer (``turn_running``); the same message, sent again, goes on waiting.
            BadGateway: it failed; ``code`` says how.
            Conflict, Forbidden: it failed of what the tenant's own keys and policies do not let it ask.
        """
        reply = _Gathering(Reply(turn))
        try:
            async with (
                asyncio.timeout(patience),
                contextlib.aclosing(until_asked(await self.events(turn, feed))) as told,
            ):
                async for each in told:
                    reply.take(each)
                    if reply.complete:
                        return reply.reply
        except TimeoutError:
            pass
        raise _too_long(turn)

    async def _agent(self, agent: str, subagent: str | None) -> AgentRow:
        session, scope = self._executions.session, self._executions.principal.scope
        if subagent is None:
            return await find_agent(session, scope, agent)
        return (await find_subagent(session, scope, agent, subagent))[1]

    async def _conversation(self, ask: Ask) -> ConversationRow | None:
        """Return the conversation that is to go on, locked; None when one begins."""
        if ask.conversation_id is not None:
            return await self._conversations.lock(ask.conversation_id)
        for name in self._names(ask):
            with contextlib.suppress(NotFound):
                return await self._conversations.lock(name)
        return None

    def _names(self, ask: Ask) -> tuple[str, ...]:
        """Return the ids that the conversation of a thread may have: the thread's own, and the one made of it."""
        if ask.thread_id is None:
            return ()
        scope = self._conversations.scope
        told = f"{scope.tenant}\0{scope.live}\0{ask.thread_id}"
        return ask.thread_id, f"conv_{hashlib.sha256(told.encode()).hexdigest()[:32]}"

    async def _begin(self, agent: AgentRow, conversation: ConversationRow | None, ask: Ask) -> Turn:
        choice = await self._configs.choose("chat", ask.model or agent.model)
        if conversation is None:
            user = user_of(self._executions.principal, ask.metadata)
            try:
                conversation = await self._conversations.create(agent.uuid, user, id=(None, *self._names(ask))[-1])
            except IntegrityError as error:
                raise Conflict("Another message begins this thread.", code="turn_running", retry_after=1) from error
        self._conversations.refuse_archived(conversation)
        await self._conversations.refuse_running(conversation)
        if conversation.agent_id != agent.uuid:
            told: JsonObject = {"from": conversation.agent_id, "to": agent.uuid}
            await self._conversations.mark(conversation, "handover", None, told)
            conversation.agent_id = agent.uuid
        execution = await self.run(agent, conversation.id, ask, choice.model if ask.model else None)
        await self._conversations.say(conversation, NewMessage(ask.content, ask.message_id), execution.id)
        return _turn(execution, agent.uuid, conversation, ask.message_id)

    async def run(self, agent: AgentRow, conversation_id: str, ask: Ask, model: str | None) -> ExecutionRow:
        """Write down the execution that takes a turn.

        Raises:
            CairnError: as of ``ExecutionService.create``.
        """
        named: JsonObject = {"id": conversation_id, "message_id": ask.message_id}
        given: JsonObject = {"message": ask.content, "conversation": {**named, **({"model": model} if model else {})}}
        metadata = {**ask.metadata, "conversation_id": conversation_id, "message_id": ask.message_id}
        command = StartExecution(agent.uuid, given, metadata, surface=SURFACE)
        return await self._executions.create(command)

    async def _attach(self, said: MessageRow, agent: AgentRow, ask: Ask) -> Turn:
        conversation = await self._conversations.of_message(said)
        names = self._names(ask) if ask.conversation_id is None else (ask.conversation_id,)
        elsewhere = bool(names) and conversation.id not in names
        if elsewhere or said.role != "user" or said.content != ask.content or said.execution_id is None:
            raise Conflict(f"The message id {ask.message_id!r} is another message's.", code="message_exists")
        if said.discarded:
            raise Conflict("The conversation was rolled back over this message.", code="message_discarded")
        execution = await self._executions.require(said.execution_id)
        if execution.workflow_uuid != agent.uuid:
            raise Conflict("The message was said to another agent.", code="message_exists")
        return _turn(execution, agent.uuid, conversation, said.id)


class _Gathering:
    """Makes one reply of events."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.complete = False
        self._tools: dict[str, list[ChatEvent]] = {}

    def take(self, event: ChatEvent | Asked) -> None:
        if isinstance(event, Asked):
            self.reply.waits_for, self.reply.finish_reason = event.requests, event.requests[0]["type"]
            self._end()
            return
        if event.subagent is not None:
            return
        content: Any = event.content
        match event.type:
            case "restart" if "void_after" in content:
                self._go_back(content["void_after"])
            case "start" | "restart":
                self._void(event.call_id)
            case "tool_start":
                self._tools[event.call_id] = [event]
            case "tool_end":
                self._tools[event.call_id].append(event)
            case "usage" if event.parent_call_id is None:
                self.reply.usage = content
            case "error":
                raise turn_failure(content)
            case "end":
                self.reply.content, self.reply.finish_reason = content["content"], content["finish_reason"]
                self._end()
            case _:
                pass

    def _void(self, asker: str) -> None:
        """Forget the calls that a request to the model has asked for, and all after them: a reset has it made anew."""
        known = [*self._tools]
        place = next((n for n, each in enumerate(known) if each.rpartition(".")[0] == asker), len(known))
        for each in known[place:]:
            del self._tools[each]

    def _go_back(self, place: int) -> None:
        """Forget what a reset voids: all that was told after a place."""
        kept = {name: [each for each in told if each.seq <= place] for name, told in self._tools.items()}
        self._tools = {name: told for name, told in kept.items() if told}

    def _end(self) -> None:
        self.reply.tool_calls, self.complete = [_call(name, told) for name, told in self._tools.items()], True


def _call(name: str, told: list[ChatEvent]) -> JsonObject:
    made: JsonObject = {"id": name}
    for each in told:
        made |= cast("JsonObject", each.content)
    return made


def _turn(execution: ExecutionRow, agent_id: str, conversation: ConversationRow, message_id: str) -> Turn:
    return Turn(execution, execution.id, agent_id, conversation.id, message_id)


def turn_failure(content: JsonObject) -> CairnError:
    """Return the error for what the event ``error`` says. The turn has ended: it is no 503, to be sent again."""
    said = model_failure(content["code"], content["message"])
    return said if isinstance(said, Conflict | Forbidden) else BadGateway(said.message, code=said.code)


def _too_long(turn: Turn) -> Unavailable:
    return _running(turn, "The turn goes on. Send the same message_id again to wait for its end.")


def _not_yet(turn: Turn) -> Unavailable:
    return _running(turn, "The turn begins when Temporal answers. Send the same message_id again to follow it.")


def _running(turn: Turn, message: str) -> Unavailable:
    named = {name: getattr(turn, name) for name in ("conversation_id", "message_id", "execution_id")}
    return Unavailable(message, code="turn_running", retry_after=1, extra=named)
