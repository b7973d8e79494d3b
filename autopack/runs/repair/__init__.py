"""After a failed attempt: known failures met without a model, a doctor asked last."""
