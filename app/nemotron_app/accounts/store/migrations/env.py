"""How does Alembic reach the database? Through the connection, and in the transaction, of the program."""

from alembic import context

from nemotron_app.accounts.store.schema import Table

context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata)
with context.begin_transaction():
    context.run_migrations()
