"""An agent of Autopack's own behind a provider's API; needs the extra ``api``."""
