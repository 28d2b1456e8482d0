"""The engine of all grid tasks.

``env`` is their base class, ``square`` that of those on square maps and ``object_task`` that of those about objects.
``codes`` numbers the cells, ``rules`` says what actions do, ``view`` what the agent sees, ``placement`` draws cells for
level generators, ``draw`` and ``describe`` show the map as pictures and as text.
"""
