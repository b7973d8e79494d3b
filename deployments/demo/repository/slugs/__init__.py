"""Short, unique, readable URL slugs from titles."""
