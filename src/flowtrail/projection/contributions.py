"""What one transaction contributes to cells: the definition that differences and recounts are held to."""

from flowtrail.projection.cells import Cell, CellKey
from flowtrail.projection.derive import header_of, tally_state
from flowtrail.projection.state import State
from flowtrail.projection.tally import Tally


def contributions(tenant: str, state: State) -> dict[CellKey, Cell]:
    """The cells of one transaction alone, at every width.

    For many transactions, one `Tally` with `derive.tally_state` for each costs a hundredth.
    """
    tally = Tally()
    tally_state(tally, tenant, state, header_of(state), 1)
    return tally.cells()
