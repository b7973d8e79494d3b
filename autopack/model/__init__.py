"""The ground floor: pure values that import nothing else of ours."""
