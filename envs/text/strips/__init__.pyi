from .game import Game as Game
from .game import Sizes as Sizes
from .world import StripsWorld as StripsWorld
from .world import load as load
