"""The model APIs the server speaks, one file each behind one protocol."""

from autopack.testing.model_server.dialects.anthropic import AnthropicMessages
from autopack.testing.model_server.dialects.base import (
    Answer,
    Asked,
    Dialect,
    Event,
    cut,
)
from autopack.testing.model_server.dialects.chat import ChatCompletions
from autopack.testing.model_server.dialects.gemini import GeminiContent
from autopack.testing.model_server.dialects.responses import Responses

DIALECTS: tuple[Dialect, ...] = (
    AnthropicMessages(),
    ChatCompletions(),
    Responses(),
    GeminiContent(),
)

__all__ = ["DIALECTS", "Answer", "Asked", "Dialect", "Event", "cut"]
