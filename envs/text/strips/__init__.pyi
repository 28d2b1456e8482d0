from .game import Game as Game
from .game import Sizes as Sizes
from .game import load as load
from .world import StripsWorld as StripsWorld
