"""How a pattern earns its place: it watches, is judged by facts, and acts once it is precise."""
