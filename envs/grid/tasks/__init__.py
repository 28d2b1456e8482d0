"""The grid tasks, one file per family; ``two_rooms`` is the base of those with a locked door between two rooms."""
