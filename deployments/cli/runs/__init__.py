"""Commands about runs: started, resumed, watched, answered, and what follows them."""
