"""The Gemini CLI, the `gemini` program."""
