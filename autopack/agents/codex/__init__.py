"""OpenAI's ``codex`` program."""
