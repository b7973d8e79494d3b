"""Who may use the API, and what they did: keys, accounts, signed tokens, the audit."""
