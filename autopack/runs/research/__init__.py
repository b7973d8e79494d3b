"""Research phases: what sources say of questions, in three steps, before anything is built."""
