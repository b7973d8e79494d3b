"""One model call as an event, and its way into the ledger."""
