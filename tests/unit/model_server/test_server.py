"""The server as its clients see it, over real connections."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from autopack.testing.model_server import (
    Mode,
    ScriptedModelServer,
    Served,
    Tokens,
)

TOOLS = {
    "messages": [
        {"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {}}}}
    ],
    "chat/completions": [
        {
            "type": "function",
            "function": {"name": "bash", "parameters": {"properties": {"command": {}}}},
        }
    ],
    "responses": [
        {"type": "function", "name": "exec_command", "parameters": {"properties": {"cmd": {}}}}
    ],
}
APIS = tuple(TOOLS)
USAGE = {"input": 100, "cache_read": 50, "cache_write": 7, "output": 20, "reasoning": 5}
SCRIPT: dict[str, object] = {
    "turns": [
        {"text": "I run it. " * 9, "actions": [{"run": "ls"}], "usage": USAGE},
        {"text": "Done.", "usage": {"input": 200, "output": 3}},
    ]
}


def ask(
    server: ScriptedModelServer,
    api: str,
    *,
    history: Sequence[Any] = (),
    **more: Any,
) -> httpx.Response:
    start = {"role": "user", "content": "Please begin"}
    body: dict[str, Any] = {"model": "m-1", "tools": TOOLS[api], **more}
    body["input" if api == "responses" else "messages"] = [start, *history]
    return httpx.post(f"{server.url}/v1/{api}", json=body, timeout=10, trust_env=False)


def said(api: str, call_id: str) -> list[Any]:
    """A history in which one tool call was made and answered."""
    if api == "messages":
        call = {"type": "tool_use", "id": call_id, "name": "Bash", "input": {}}
        result = {"type": "tool_result", "tool_use_id": call_id, "content": "ok"}
        return [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    if api == "responses":
        return [
            {"type": "function_call", "call_id": call_id, "name": "exec_command"},
            {"type": "function_call_output", "call_id": call_id, "output": "ok"},
        ]
    call = {"id": call_id, "type": "function", "function": {"name": "bash", "arguments": "{}"}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": "ok"},
    ]


def stream(response: httpx.Response) -> list[Any]:
    """The data of every event; the end marker as text."""
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(SCRIPT) as running:
        yield running


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("api", APIS)
def test_a_conversation_goes_on_by_the_ids_of_its_tool_calls(
    server: ScriptedModelServer, api: str, streamed: bool
) -> None:
    first = ask(server, api, stream=streamed)
    assert "call_c0t0n0" in first.text

    second = ask(server, api, stream=streamed, history=said(api, "call_c0t0n0"))

    assert "Done." in second.text
    assert [(one.conversation, one.turn) for one in server.served] == [(0, 0), (0, 1)]


def test_messages_usage_excludes_cache(server: ScriptedModelServer) -> None:
    body = ask(server, "messages").json()

    assert body["usage"] == {
        "input_tokens": 100,
        "cache_read_input_tokens": 50,
        "cache_creation_input_tokens": 7,
        "output_tokens": 20,
    }
    assert body["stop_reason"] == "tool_use"
    assert body["content"][1]["input"] == {"command": "ls"}


def test_chat_usage_includes_cache(server: ScriptedModelServer) -> None:
    body = ask(server, "chat/completions").json()

    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (157, 20)
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 50}
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    assert server.served[0].tokens.input == 107  # this API has no word for cache writes


def test_responses_usage_includes_cache(server: ScriptedModelServer) -> None:
    body = ask(server, "responses").json()

    assert (body["usage"]["input_tokens"], body["usage"]["total_tokens"]) == (157, 177)
    assert body["usage"]["input_tokens_details"] == {"cached_tokens": 50, "cache_write_tokens": 7}
    assert body["usage"]["output_tokens_details"] == {"reasoning_tokens": 5}
    assert [item["type"] for item in body["output"]] == ["message", "function_call"]


def test_a_messages_stream_has_the_whole_answer_in_pieces(server: ScriptedModelServer) -> None:
    events = stream(ask(server, "messages", stream=True))

    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(delta.get("text", "") for delta in deltas) == "I run it. " * 9
    partial = "".join(delta.get("partial_json", "") for delta in deltas)
    assert json.loads(partial) == {"command": "ls"}
    assert events[0]["message"]["usage"]["output_tokens"] == 1  # a placeholder
    assert events[-2]["usage"] == {"output_tokens": 20}


def test_a_chat_stream_ends_with_usage_and_a_marker(server: ScriptedModelServer) -> None:
    events = stream(ask(server, "chat/completions", stream=True))

    choices = [event["choices"][0]["delta"] for event in events[:-2]]
    assert "".join(delta.get("content") or "" for delta in choices) == "I run it. " * 9
    calls = [call for delta in choices for call in delta.get("tool_calls", ())]
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"command": "ls"}
    assert events[-2]["choices"] == []
    assert events[-2]["usage"]["total_tokens"] == 177
    assert events[-1] == "[DONE]"


def test_a_responses_stream_is_numbered_and_completed(server: ScriptedModelServer) -> None:
    events = stream(ask(server, "responses", stream=True))

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["output"][1]["arguments"] == '{"command": "ls"}'.replace(
        "command", "cmd"
    )


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("mode", ["400", "401", "429", "500", "529"])
def test_an_error_mode_answers_every_request_so(
    server: ScriptedModelServer, api: str, mode: str
) -> None:
    server.mode = Mode(mode)

    response = ask(server, api)

    assert response.status_code == int(mode)
    assert "scripted" in response.json()["error"]["message"]
    assert server.totals().calls == 0
    assert server.served[0].status == int(mode)


def test_hang_never_answers_and_takes_nothing(server: ScriptedModelServer) -> None:
    server.mode = Mode.HANG
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.url}/v1/messages",
            json={"model": "m", "messages": []},
            timeout=0.3,
            trust_env=False,
        )

    assert [(one.mode, one.complete) for one in server.served] == [(Mode.HANG, False)]
    assert server.totals().total == 0


def test_slow_waits_before_each_event() -> None:
    with ScriptedModelServer(SCRIPT, mode="slow", delay=0.02) as server:
        began = time.monotonic()
        events = stream(ask(server, "messages", stream=True))

        assert time.monotonic() - began > 0.02 * len(events)


def test_a_client_that_leaves_is_billed_for_an_answer_it_did_not_wait_for() -> None:
    with ScriptedModelServer(SCRIPT, mode="slow", delay=0.05) as server:
        body = {"model": "m", "stream": True, "messages": [], "tools": TOOLS["messages"]}
        url = f"{server.url}/v1/messages"
        with httpx.stream("POST", url, json=body, trust_env=False) as response:
            next(response.iter_lines())
        time.sleep(0.3)

        assert [(one.complete, one.tokens.output) for one in server.served] == [(False, 20)]
        assert server.totals().total == 177


def test_a_turn_may_fail_at_first() -> None:
    fail = {"mode": 429, "times": 2}
    with ScriptedModelServer({"turns": [{"text": "Late.", "fail": fail}]}) as server:
        statuses = [ask(server, "messages").status_code for _ in range(3)]

        assert statuses == [429, 429, 200]
        assert [one.conversation for one in server.served] == [0, 0, 0]


def test_conversations_are_chosen_by_what_the_user_says_and_how_often() -> None:
    conversations = [
        {"when": "no such words", "turns": [{"text": "wrong"}]},
        {"when": "begin", "times": 1, "turns": [{"text": "first"}]},
        {"turns": [{"text": "later"}]},
    ]
    with ScriptedModelServer({"conversations": conversations}) as server:
        texts = [ask(server, "messages").json()["content"][0]["text"] for _ in range(3)]

    assert texts == ["first", "later", "later"]


def test_many_conversations_at_once_do_not_mix() -> None:
    turns = [{"text": f"step {n}", "actions": [{"run": f"echo {n}"}]} for n in range(5)]
    with ScriptedModelServer({"turns": [*turns, {"text": "end"}]}) as server:
        failures: list[str] = []

        def converse() -> None:
            history: list[Any] = []
            for n in range(5):
                body = ask(server, "messages", history=history).json()
                if body["content"][0]["text"] != f"step {n}":
                    failures.append(str(body))
                history += said("messages", body["content"][1]["id"])

        threads = [threading.Thread(target=converse) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        assert server.totals().calls == 40
        assert len({one.response_id for one in server.served}) == 40


def test_a_request_without_tools_is_an_aside(server: ScriptedModelServer) -> None:
    ask(server, "messages", tools=[])

    assert [(one.conversation, one.turn) for one in server.served] == [(None, None)]
    assert ask(server, "messages").json()["content"][0]["text"].startswith("I run it.")


def test_asking_beyond_the_script_is_answered_politely(server: ScriptedModelServer) -> None:
    ask(server, "messages")

    answer = ask(server, "messages", history=said("messages", "call_c0t7n0")).json()

    assert answer["content"] == [{"type": "text", "text": "There is nothing more to do."}]


def test_without_a_figure_tokens_follow_from_the_size() -> None:
    with ScriptedModelServer({"turns": [{"text": "x" * 400}]}) as server:
        usage = ask(server, "messages").json()["usage"]

    assert usage["output_tokens"] == 100
    assert usage["input_tokens"] > 10


def test_sums_are_those_of_what_was_served(server: ScriptedModelServer) -> None:
    ask(server, "responses")
    ask(server, "responses", history=said("responses", "call_c0t0n0"))

    totals = server.totals()
    assert (totals.calls, totals.input, totals.output, totals.total) == (2, 300, 23, 380)
    page = httpx.get(f"{server.url}/served", trust_env=False).json()
    assert page["totals"]["total"] == 380
    assert page["served"][0]["tokens"]["cache_read"] == 50


def test_what_clients_ask_besides_is_answered(server: ScriptedModelServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.head("/").status_code == 200
        assert client.get("/v1/models").json()["data"] == []
        assert client.post("/v1/messages/count_tokens", json={}).json()["input_tokens"] >= 1
        assert client.get("/nowhere").status_code == 404
        assert client.post("/v1/messages", content=b"no json").status_code == 400
        assert client.post("/v1/chat/completions", json={"model": "m"}).status_code == 400

    assert server.served == ()


def test_a_body_sent_in_chunks_is_read(server: ScriptedModelServer) -> None:
    def body() -> Iterator[bytes]:
        text = json.dumps({"model": "m", "messages": [], "tools": TOOLS["messages"]}).encode()
        yield from (text[:10], text[10:])

    response = httpx.post(f"{server.url}/v1/messages", content=body(), trust_env=False)

    assert response.status_code == 200


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET", b"\x16\x03\x01"])
def test_a_client_that_speaks_no_http_harms_nobody(
    server: ScriptedModelServer, sent: bytes
) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as connection:  # pyright: ignore[reportArgumentType]
        connection.sendall(sent)

    assert ask(server, "messages").status_code == 200


async def test_it_works_in_an_async_with() -> None:
    async with ScriptedModelServer(SCRIPT) as server:
        assert ask(server, "messages").status_code == 200


def test_stopping_ends_requests_that_hang() -> None:
    began = time.monotonic()
    with ScriptedModelServer(SCRIPT, mode="hang") as server:

        def refused() -> None:
            with pytest.raises(httpx.HTTPError):
                ask(server, "responses")

        thread = threading.Thread(target=refused)
        thread.start()
        while not server.served:
            time.sleep(0.01)
    thread.join()

    assert time.monotonic() - began < 5


def test_a_port_that_is_taken_is_said() -> None:
    with ScriptedModelServer(SCRIPT) as server, pytest.raises(OSError, match="address"):
        ScriptedModelServer(SCRIPT, port=int(server.url.rpartition(":")[2])).start()


def test_an_answer_in_flight_is_not_complete() -> None:
    assert Served("a", Mode.OK, 200, "m", "id", Tokens()).complete is False


def test_the_command_serves_until_it_is_ended_and_prints_what_it_served(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    command = [sys.executable, "-m", "autopack.testing.model_server", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        httpx.get(f"{url}/served", trust_env=False).raise_for_status()
        process.terminate()
        last = json.loads(process.stdout.readline())

    assert last["totals"]["calls"] == 0
    assert process.returncode == 0


def test_the_command_refuses_a_bad_script_with_json(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autopack.testing.model_server", str(tmp_path / "absent")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["kind"] == "bad_input"
