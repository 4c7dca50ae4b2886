"""What the seals exported: each delivery and each cost line stands in one sealed folder, and the ledger knows in which.

So a seal reads what is new, however many rounds were sealed before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, select, update

from tailfirst.errors import LedgerError
from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import Act, move_round, record
from tailfirst.ledger.records import CostRow, DeliveryRow
from tailfirst.ledger.tables import Cost, Delivery, Round

Place = tuple[int, str, str]  # round that ordered, vendor id, revision
Line = tuple[int, str]  # round that ordered, line id


class Exports:
    """`ledger.exports`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def late(self, campaign: str, before: int) -> list[tuple[int, DeliveryRow]]:
        """Deliveries of sealed rounds below `before` that no seal has exported, by round, key, vendor id, revision."""
        chosen = (
            select(*Delivery.__table__.c)
            .join(Round, (Round.campaign == Delivery.campaign) & (Round.round_no == Delivery.round_no))
            .where(Delivery.campaign == campaign, Delivery.round_no < before, Delivery.sealed_in.is_(None))
            .where(Round.sealed_sha256.is_not(None))
        )
        with self._database.read() as connection:
            rows = [(row.round_no, record(DeliveryRow, row)) for row in connection.execute(chosen)]
        return sorted(rows, key=lambda row: (row[0], row[1].key or "", row[1].vendor_id, row[1].revision))

    def unsealed_lines(self, campaign: str, up_to: int) -> list[CostRow]:
        """Cost lines of the rounds up to `up_to` that no seal has exported, by round and id."""
        chosen = select(*Cost.__table__.c).where(
            Cost.campaign == campaign, Cost.round_no <= up_to, Cost.sealed_in.is_(None)
        )
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(Cost.round_no, Cost.line_id))
            return [record(CostRow, row) for row in rows]

    def seal(
        self,
        campaign: str,
        round_no: int,
        sealed_sha256: str,
        deliveries: Mapping[Place, int],
        lines: Mapping[Line, int],
        act: Act,
    ) -> bool:
        """The round CLOSING > SEALED, and exports marked with the round whose folder holds them, in one transaction.

        Returns:
            False = another worker was faster, nothing was marked.

        Raises:
            LedgerError: Something is marked already, or is not in the ledger.
        """
        with self._database.write() as connection:
            sealed = {"sealed_sha256": sealed_sha256}
            if not move_round(connection, campaign, round_no, ("CLOSING", "SEALED"), act, **sealed):
                return False
            of_delivery = (
                (Delivery.campaign == campaign)
                & (Delivery.round_no == bindparam("of_round"))
                & (Delivery.vendor_id == bindparam("of_id"))
                & (Delivery.revision == bindparam("of_revision"))
            )
            places = [
                {"of_round": no, "of_id": vendor_id, "of_revision": revision, "holder": holder}
                for (no, vendor_id, revision), holder in deliveries.items()
            ]
            _mark(connection, Delivery, of_delivery, places)
            of_line = (
                (Cost.campaign == campaign)
                & (Cost.round_no == bindparam("of_round"))
                & (Cost.line_id == bindparam("of_line"))
            )
            marks = [{"of_round": no, "of_line": one, "holder": holder} for (no, one), holder in lines.items()]
            _mark(connection, Cost, of_line, marks)
            return True


def _mark(
    connection: Connection, table: type[Delivery | Cost], mine: ColumnElement[bool], rows: Sequence[dict[str, Any]]
) -> None:
    """`sealed_in` of the rows, each of which has none yet."""
    if not rows:
        return
    marked = update(table).where(mine, table.sealed_in.is_(None)).values(sealed_in=bindparam("holder"))
    done = connection.execute(marked, rows).rowcount
    if done != len(rows):
        raise LedgerError(
            f"{len(rows) - done} of {len(rows)} exported rows of {table.__tablename__} are not in the ledger, or stand "
            "in another seal's folder; nothing was sealed: run it again"
        )
