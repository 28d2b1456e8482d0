"""Vocabulary, templates, parser."""
