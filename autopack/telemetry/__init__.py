"""What runs spent: prices, and the events of the usage ledger."""
