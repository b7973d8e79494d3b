"""One attempt at a phase: started, built, judged, concluded."""
