"""A local model server that answers from a script, for testing agents without a provider.

It speaks the Anthropic Messages, OpenAI Chat Completions and OpenAI Responses APIs, streaming or
not, and counts every token it served, so that a test can compare an agent's account with it::

    with ScriptedModelServer({"turns": [{"text": "Hello."}]}) as server:
        ...  # point an agent at server.url, with any key
    assert server.totals().calls == 1

From the command line: ``python -m autopack.testing.model_server SCRIPT``.
"""

from autopack.testing.model_server.model_script import (
    Action,
    Conversation,
    Failure,
    Mode,
    Script,
    Tokens,
    ToolCall,
    Turn,
    load_script,
)
from autopack.testing.model_server.served import Served, Totals
from autopack.testing.model_server.server import ScriptedModelServer

__all__ = [
    "Action",
    "Conversation",
    "Failure",
    "Mode",
    "Script",
    "ScriptedModelServer",
    "Served",
    "Tokens",
    "ToolCall",
    "Totals",
    "Turn",
    "load_script",
]
