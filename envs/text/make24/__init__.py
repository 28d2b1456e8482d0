"""Make24: four numbers, three operations, one result.

``env`` the task; ``rules`` arithmetic and the hands that can make 24; ``words`` its sentences, commands and captions.
"""
