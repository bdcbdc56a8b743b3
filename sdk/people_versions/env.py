"""Alembic's entry: run migrations on the connection that `sdk.shared_people.upgrade` hands over."""

from alembic import context

from sdk.shared_people import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
