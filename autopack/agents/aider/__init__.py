"""aider, the `aider` program."""
