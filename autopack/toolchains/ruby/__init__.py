"""Ruby and Bundler."""
