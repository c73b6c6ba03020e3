"""The ops by family; importing a module registers its records."""

from netlang.interchange.exporting.operators import elementwise as elementwise
from netlang.interchange.exporting.operators import indices as indices
from netlang.interchange.exporting.operators import integers as integers
from netlang.interchange.exporting.operators import leaves as leaves
from netlang.interchange.exporting.operators import loops as loops
from netlang.interchange.exporting.operators import movement as movement
from netlang.interchange.exporting.operators import normalisation as normalisation
from netlang.interchange.exporting.operators import picking as picking
from netlang.interchange.exporting.operators import places as places
from netlang.interchange.exporting.operators import pools as pools
from netlang.interchange.exporting.operators import products as products
from netlang.interchange.exporting.operators import random as random
from netlang.interchange.exporting.operators import recurrent as recurrent
from netlang.interchange.exporting.operators import reductions as reductions
from netlang.interchange.exporting.operators import resizing as resizing
from netlang.interchange.exporting.operators import switches as switches
from netlang.interchange.exporting.operators import unshared as unshared
