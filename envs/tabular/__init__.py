"""Small tasks whose states can be enumerated, one file per family.

``base`` is what they share, ``compass`` moves agents on maps, ``slippery`` is the base of those with slippery ground,
``presets`` lists their ids.
"""
