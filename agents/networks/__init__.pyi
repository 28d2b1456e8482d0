from .encoders import make_encoder as make_encoder
from .grids import GridEncoder as GridEncoder
from .policy import ActorCritic as ActorCritic
from .policy import Policy as Policy
from .spaces import FlatEncoder as FlatEncoder
from .texts import TextEncoder as TextEncoder
