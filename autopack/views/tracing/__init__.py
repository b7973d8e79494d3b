"""Runs as spans of OpenTelemetry: made from what is stored, and sent to a collector."""
