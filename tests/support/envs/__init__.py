"""Environments that tests play: small ones of our own and imitations of what others make."""
