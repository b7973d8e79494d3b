"""Go: modules and workspaces, and go test."""
