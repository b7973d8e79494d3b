"""The API in this process over a database of each engine."""

from support.contract_api import api, opened, service

__all__ = ("api", "opened", "service")
