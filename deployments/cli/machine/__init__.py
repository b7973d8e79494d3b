"""Commands that look after an installation: servers, workers, databases, the API."""
