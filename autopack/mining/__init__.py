"""Mining: what keeps failing although no pattern knows it, grouped and ranked by its cost."""
