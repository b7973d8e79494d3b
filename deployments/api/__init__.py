"""The HTTP API over the application database. Nothing in a run depends on it being up."""
