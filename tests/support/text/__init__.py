"""Playing text tasks in their tests: a file for what one family needs beside ``support.play``."""
