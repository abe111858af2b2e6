"""Turns of conversations: they ask the tenant's models, know what was said before, and keep what is said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import ValidationError
from pydantic_ai.messages import ModelMessage

from activities.failures import node_error
from activities.llm_subagents import subagents_named
from activities.metering import metered
from activities.patience import patiently
from cairn.contracts.json import Json
from cairn.contracts.nodes import ConversationTurn, NodeCall
from cairn.domain.conversations.turns import TurnMessages
from cairn.domain.llm.tenant_models import TenantModels
from cairn.domain.usage import Ledger
from cairn.errors import CairnError, Unavailable
from cairn.persistence.repository import Scope
from cairn.providers.llm import LanguageModel, ModelConfigError

USE_CASE = "chat"


class ConversationTurns:
    """What agents' activities do for those calls that are turns of conversations."""

    def __init__(self, messages: TurnMessages, models: TenantModels, ledger: Ledger | None = None) -> None:
        """Take the messages and the tenants' models; without ``ledger`` requests are not accounted for."""
        self._messages = messages
        self._models = models
        self._ledger = ledger

    @asynccontextmanager
    async def model(self, call: NodeCall) -> AsyncGenerator[LanguageModel]:
        """Open the model that a call is to use, whose requests the ledger accounts for.

        Raises:
            ApplicationError: ``model_config``, or a code of ``cairn.domain.llm.policy.choose``.
        """
        use_case = str(call.data.get("use_case") or USE_CASE)
        async with open_model(self._models, scope_of(call), use_case, call.data.get("model")) as model:
            yield metered(self._ledger, call, model)

    async def earlier(self, call: NodeCall) -> list[ModelMessage]:
        """Return what was said before the call's turn; nothing when it is no turn of a conversation.

        Raises:
            ApplicationError: ``conversation_not_found``, ``message_not_found``; ``unavailable`` (retryable).
        """
        turn = turn_of(call)
        if turn is None or turn.aside:
            return []
        try:
            return await patiently(lambda: self._messages.earlier(scope_of(call), turn))
        except CairnError as error:
            raise _refused(error) from error

    async def keep(
        self, call: NodeCall, messages: Sequence[ModelMessage], answer: Json = None, *, finished: bool = False
    ) -> None:
        """Keep what was said in the call's turn so far; when it is ``finished`` with the answer.

        Raises:
            ApplicationError: as of ``earlier``.
        """
        turn = turn_of(call)
        if turn is None or turn.aside:
            return
        try:
            await patiently(
                lambda: self._messages.keep(
                    scope_of(call),
                    turn,
                    call.execution_id,
                    messages,
                    answer,
                    finished=finished,
                    subagents=subagents_named(call),
                )
            )
        except CairnError as error:
            raise _refused(error) from error


@asynccontextmanager
async def open_model(
    models: TenantModels, scope: Scope, use_case: str, named: str | None
) -> AsyncGenerator[LanguageModel]:
    """Open the model that a tenant's call is to use.

    Raises:
        ApplicationError: ``model_config``, or a code of ``cairn.domain.llm.policy.choose``.
    """
    try:
        async with AsyncExitStack() as stack:
            yield await patiently(lambda: stack.enter_async_context(models.open(scope, use_case, named)))
    except ModelConfigError as error:
        raise node_error("model_config", str(error), retryable=False) from error
    except CairnError as error:
        raise _refused(error) from error


def turn_of(call: NodeCall) -> ConversationTurn | None:
    """Return the turn of a conversation that a call is, if any.

    Raises:
        ApplicationError: ``invalid_agent``: the graph gives something else.
    """
    told = call.data.get("conversation")
    try:
        return None if told is None else ConversationTurn.model_validate(told)
    except ValidationError as error:
        message = f"conversation is no turn of one: {error.errors()[0]['msg']}"
        raise node_error("invalid_agent", message, retryable=False) from error


def asks_tenants_model(call: NodeCall) -> bool:
    """Whether a call asks the tenant's model: in turns of conversations, and where it says what for.

    Raises:
        ApplicationError: as of ``turn_of``.
    """
    return turn_of(call) is not None or call.data.get("use_case") is not None


def scope_of(call: NodeCall) -> Scope:
    """Return whose rows a call works with."""
    return Scope(call.tenant, call.live)


def _refused(error: CairnError) -> Exception:
    return node_error(error.code, error.message, retryable=isinstance(error, Unavailable))
