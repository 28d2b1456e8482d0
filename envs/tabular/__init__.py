"""Small tasks that can be written out as tables."""
