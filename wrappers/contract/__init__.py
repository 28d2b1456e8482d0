"""The contract, checked."""
