"""Text tasks: a package for each family, the engine that they share, worlds from PDDL, and other tasks in words.

``engine`` TextEnv and what it is made of; ``strips`` worlds of your own; ``verbalized`` grids and tables in words;
``presets`` the ids. Import the modules you need; nothing here imports JAX by itself.
"""

from __future__ import annotations
