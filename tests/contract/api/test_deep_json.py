"""JSON that is nested too deep for Python is refused like any other, before and after sign-in."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import Request

from deployments.api.strictness import storable_text_only


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_what_cannot_be_read_is_left_to_who_reads_it(opened: str) -> None:
    body = (opened * 200_000 + '"\\u0041"').encode()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(storable_text_only(Request({**scope, "path_params": {}}, receive)))
