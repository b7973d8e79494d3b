"""Commands about failures and the patterns that know them."""
