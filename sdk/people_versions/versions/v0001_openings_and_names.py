"""Openings of commitments, and names behind pseudonyms."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "openings",
        sa.Column("commitment", sa.LargeBinary(32), primary_key=True),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_openings_subject", "openings", ["subject"])
    op.create_table(
        "persons",
        sa.Column("participant", sa.String(63), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("persons")
    op.drop_index("ix_openings_subject", "openings")
    op.drop_table("openings")
