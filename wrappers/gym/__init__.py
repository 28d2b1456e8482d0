"""The Gymnasium faces."""
