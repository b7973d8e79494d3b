"""One module a page: what it reads, and what is done from it."""
