"""What every part of the package may import, and what imports none of them: errors, saving, small conversions."""
