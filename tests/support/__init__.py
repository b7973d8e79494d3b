"""What several test folders need: small projects to run, and ways to run them."""
