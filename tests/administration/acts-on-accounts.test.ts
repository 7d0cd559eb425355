/** @topology one: holds a transaction open while one process waits for it */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { TestGateway } from '../support/gateway.ts';
import { eventually } from '../support/race.ts';
import { aRole, staffWith } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

/** Every operation that acts on an account, with the permission that it needs. */
const ACTS: readonly [name: string, permission: string, document: (subject: Subject & Target) => string][] = [
  ['setUserActive', 'user:deactivate', ({ id }) => `setUserActive(userId: "${id}", active: false) { id }`],
  ['revokeUserSessions', 'session:revoke', ({ id }) => `revokeUserSessions(userId: "${id}")`],
  [
    'revokeUserSession',
    'session:revoke',
    ({ id, tokens }) => `revokeUserSession(userId: "${id}", sessionId: "${tokens.sessionId}")`,
  ],
  ['unlockUser', 'user:unlock', ({ id }) => `unlockUser(userId: "${id}")`],
  ['sendPasswordReset', 'user:unlock', ({ id }) => `sendPasswordReset(userId: "${id}")`],
  ['removeSecondFactor', 'factor:remove', ({ id }) => `removeSecondFactor(userId: "${id}") { id }`],
  ['deleteUser', 'user:delete', ({ id }) => `deleteUser(userId: "${id}")`],
  [
    'updateUser',
    'user:update',
    ({ id }) => `updateUser(input: { id: "${id}", displayName: "Changed" }) { id }`,
  ],
  [
    'updateUser with an address',
    'user:update',
    ({ id }) =>
      `updateUser(input: { id: "${id}", email: "${id}@example.test", emailConfirmed: true }) { id }`,
  ],
];

interface Target {
  tokens: Tokens;
}

async function aTarget(): Promise<Subject & Target> {
  const subject = await gateway.aSubject();
  return Object.assign(subject, { tokens: await subject.signedIn() });
}
/**
 * Whether a connection to this database waits for a lock. PostgreSQL shows the waiting statement only to its
 * own login.
 */
const isWaiting = async () => {
  const rows = await gateway.database.query(
    `select from pg_locks join pg_stat_activity using (pid)
     where not granted and datname = current_database()`,
  );
  return rows.length > 0;
};
/** The state that such an operation could have changed. */
const stateOf = (id: string) =>
  gateway.database.query(
    `select u.username, u.display_name, u.email, u.deactivated_by, u.guess_round, u.epoch,
            (select count(*)::int from session s where s.user_id = u.id) as sessions,
            (select count(*)::int from mail_job) as mails
     from users u where u.id = $1`,
    [id],
  );

describe.each(ACTS)('%s', (_, permission, document) => {
  const act = (who: { tokens: Tokens }, target: Subject & Target) =>
    gateway.client.raw(`mutation { ${document(target)} }`, {}, { bearer: who.tokens.accessToken });

  it('is allowed for an account that has no more permissions than the administrator', async () => {
    const admin = await staffWith(gateway, [permission]);
    expect((await act(admin, await aTarget())).errors).toEqual([]);
  });

  it('is refused when the account gets more permissions while the operation waits', async () => {
    const [admin, target] = [await staffWith(gateway, [permission]), await aTarget()];
    const role = await aRole(gateway, ['kyc:review']);
    await gateway.mailbox.settled();
    const before = await stateOf(target.id);
    const grant = new pg.Client({ connectionString: gateway.database.ownerUrl });
    await grant.connect();
    try {
      // Like RoleGrants, but without the commit.
      await grant.query('begin');
      await grant.query(`select from role where name = 'superuser' for no key update`);
      await grant.query('insert into role_grant (user_id, role_id) values ($1, $2)', [target.id, role.id]);
      const acting = act(admin, target);
      await eventually(isWaiting, (waits) => waits);
      await grant.query('commit');
      expect((await acting).code).toBe('FORBIDDEN');
    } finally {
      await grant.end();
    }
    expect(await stateOf(target.id)).toEqual(before);
  });

  it('answers NOT_FOUND for an account that does not exist', async () => {
    const admin = await staffWith(gateway, [permission]);
    const nobody = { id: '01890000-0000-7000-8000-000000000000', tokens: admin.tokens };
    expect((await act(admin, nobody as Subject & Target)).code).toBe('NOT_FOUND');
  });
});
