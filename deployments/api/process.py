"""`python -m deployments.api.process PORT`: the API of `autopack up`, for this machine alone."""

from __future__ import annotations

import sys

from autopack.settings import Settings, process_environment
from deployments.api.serve import Listening, serve
from deployments.api.service import Service


def main(port: int) -> None:
    """Serve until told to end."""
    service = Service.open(Settings.from_environment(), process_environment())
    serve(service, Listening("127.0.0.1", port), say=_note)


def _note(url: str) -> None:
    sys.stderr.write(f"{url}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
