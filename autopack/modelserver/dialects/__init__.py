"""The three model APIs the server speaks, one file each behind one protocol."""

from autopack.modelserver.dialects.anthropic import AnthropicMessages
from autopack.modelserver.dialects.base import Answer, Asked, Dialect, Event, cut
from autopack.modelserver.dialects.chat import ChatCompletions
from autopack.modelserver.dialects.responses import Responses

DIALECTS: tuple[Dialect, ...] = (AnthropicMessages(), ChatCompletions(), Responses())

__all__ = ["DIALECTS", "Answer", "Asked", "Dialect", "Event", "cut"]
