"""Commands that look at plans, repositories and coding agents before anything is run."""
