"""Lab: small experiments in which things take time and one wrong focus ends everything.

``env`` the rules; ``level`` state, parameters, levels and physics; ``things`` substances, plants and paints; ``view``
what is seen and can be said; ``words`` its sentences, commands and captions; ``oracle`` exact remaining steps.
"""
