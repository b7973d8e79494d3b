"""An experiment before its first pair: defined, resolved, laid out and registered."""
