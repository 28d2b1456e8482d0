"""What acts on components: pointwise, combining, normalising, schedules."""
