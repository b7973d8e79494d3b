"""The API of a test behind a socket: what only a real server does is there, too."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator

import uvicorn

from support.contract_api import Api


@contextlib.contextmanager
def listening(api: Api) -> Generator[str]:
    """Serve the application over HTTP while the block is open; return its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(api.client.app, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=30)
