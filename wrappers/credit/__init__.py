"""Credit for single steps."""
