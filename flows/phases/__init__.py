"""How phases are brought to their end that are not built."""
