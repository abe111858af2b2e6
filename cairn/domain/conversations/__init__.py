"""Conversations: what people and agents say to each other. Each turn of an agent is an execution."""

from cairn.domain.conversations.model import Conversation, ConversationFilter, Marker, Message
from cairn.domain.conversations.service import ConversationService

__all__ = ["Conversation", "ConversationFilter", "ConversationService", "Marker", "Message"]
