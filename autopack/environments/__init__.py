"""The environment of a run, made by what its toolchains say, and the checks that run in it."""
