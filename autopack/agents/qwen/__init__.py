"""Qwen Code, the `qwen` program."""
