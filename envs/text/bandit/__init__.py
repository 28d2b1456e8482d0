"""TextBandit: arms with names, of which one gives a reward most often; all of it is in ``env``."""
