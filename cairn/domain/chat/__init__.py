"""Chat: turns of conversations, each an execution of an agent, told while they are taken."""

from cairn.domain.chat.model import Ask, ChatEvent, Reply, Turn
from cairn.domain.chat.service import ChatService

__all__ = ["Ask", "ChatEvent", "ChatService", "Reply", "Turn"]
