"""How fast could a GPU be at best?

A floor is arithmetic and no measurement: the bytes that must move over the memory's bandwidth, or the
operations over the rate of the tensor cores, whichever takes longer. No kernel can be faster; a measured time
is read as a share of it.
"""

from nemotron_backend.floors.call import Call, Load
from nemotron_backend.floors.card import CARDS, Card
from nemotron_backend.floors.models import ModelFloor, floors_of
from nemotron_backend.floors.step import Step, step_of

__all__ = ["CARDS", "Call", "Card", "Load", "ModelFloor", "Step", "floors_of", "step_of"]
