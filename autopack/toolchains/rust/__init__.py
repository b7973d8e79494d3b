"""Rust: crates and Cargo workspaces, and the tools that judge them."""
