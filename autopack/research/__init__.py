"""Research: what is known of a question, by quotations that anybody can check again."""
