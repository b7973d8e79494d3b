"""What a project needs to run, and what judges it: toolchains, environments, checks."""
