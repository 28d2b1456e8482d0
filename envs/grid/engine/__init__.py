"""What all tasks of this room share."""
