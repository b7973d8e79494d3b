"""Deno: projects with a deno.json, and deno test."""
