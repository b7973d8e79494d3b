"""What is a user's own: logins, keys, settings, MCP servers, arguments; read, never changed."""
