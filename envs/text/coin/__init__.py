"""Coin: find the coin in a maze of rooms; all of it is in ``env``."""
