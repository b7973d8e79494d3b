"""The shipped stand-ins for what costs money or a network: deterministic, same protocols."""
