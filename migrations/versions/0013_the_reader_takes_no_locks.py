"""the reader takes no locks and makes no large objects

PostgreSQL lets every role do both. An advisory lock under the account's number, held by a dashboard's session, kept the
bot from opening and from closing. Only the bot and the owner may from now on. An owner who is not PostgreSQL's
superuser cannot take this from the others: then nothing changes here, and the server warns.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ROLE = "okxbot_bot"
_EACH = """
DO $$ DECLARE f regprocedure; BEGIN
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
        AND (proname ~ '^pg_(try_)?advisory_' OR proname IN ('lo_creat', 'lo_create', 'lo_from_bytea'))
    LOOP {each} END LOOP;
END $$
"""
_TAKE = (
    "EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);"
    f" EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {ROLE}', f);"
)
_GIVE_BACK = (
    "EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', f);"
    f" EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM {ROLE}', f);"
)


def upgrade() -> None:
    op.execute(_EACH.format(each=_TAKE))


def downgrade() -> None:
    op.execute(_EACH.format(each=_GIVE_BACK))
