"""From evidence to one decision, the sentences that state it, and what to do next."""
