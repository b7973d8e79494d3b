"""`python -m deployments.passwords`: print the passwords of compose.yaml, made at random."""

from __future__ import annotations

import secrets
import sys


def made() -> dict[str, str]:
    """Return a password for each part that asks for one; letters and digits, fit for URLs."""
    return {
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "REDIS_PASSWORD": secrets.token_hex(24),
        "PREFECT_API_AUTH_STRING": f"autopack:{secrets.token_hex(24)}",
    }


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}={value}\n" for name, value in made().items())
