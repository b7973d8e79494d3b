"""Replay campaigns: choosing finished runs, cloning them into lanes, comparing the lanes."""
