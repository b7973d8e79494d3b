"""From a request to a stored run, and from a finished one to a new one."""
