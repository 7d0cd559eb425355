import { createOrm } from '../../src/platform/database/index.ts';
import { newId } from '../../src/platform/id.ts';
import { PostgresSessionStore } from '../../src/sessions/index.ts';
import { SCHEMA } from '../../src/tables.ts';
import { createTestDatabase } from '../support/database.ts';
import { sessionStoreContract } from './session-store.contract.ts';

sessionStoreContract('PostgreSQL', async (limits) => {
  const database = await createTestDatabase();
  const orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 20 });
  return {
    store: new PostgresSessionStore({ refreshGraceSeconds: 30, ...limits }),
    fork: () => orm.em.fork(),
    async aUser() {
      const id = newId();
      await database.query('insert into users (id, username, username_key) values ($1, $2, $2)', [id, id]);
      return id;
    },
    async age({ id }, seconds) {
      await database.query(
        `update session set rotated_at = rotated_at - d, last_used_at = last_used_at - d, expires_at = expires_at - d,
                            authenticated_at = authenticated_at - d, created_at = created_at - d
         from make_interval(secs => $2) as d where id = $1`,
        [id, seconds],
      );
    },
    async close() {
      await orm.close();
      await database.drop();
    },
  };
});
