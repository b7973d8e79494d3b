"""Autopack runs autonomous coding work unattended and proves what it was worth.

This package is the domain: it never imports Prefect and needs no server.
"""

__version__ = "0.1.0"
