/** @topology one: has two processes of its own */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ConfirmEmailDocument,
  DeleteUserDocument,
  GrantRoleDocument,
} from '../support/generated/operations.ts';
import { enrol } from '../support/second-factor.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import { aRole, aSuperuser, staffWith } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

describe.each(STORES)('deleting an account by an administrator, with sessions in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;
  let second: TestGateway;
  let admin: Subject & { tokens: Tokens };
  let root: Subject & { tokens: Tokens };

  beforeAll(async () => {
    on = await startOn(store);
    gateway = on.gateway;
    second = await gateway.another();
    admin = await staffWith(gateway, ['user:delete']);
    root = await aSuperuser(gateway);
  });
  afterAll(async () => {
    await second.close();
    await on.close();
  });

  const remove = (userId: string, who: { tokens: Tokens } = admin) =>
    gateway.client.execute(DeleteUserDocument, { userId }, { bearer: who.tokens.accessToken });
  /** Every value of every table, as text. */
  const everything = async (): Promise<string> => {
    const tables = await gateway.database.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public'`,
    );
    const dumps = await Promise.all(
      tables.map(({ name }) => gateway.database.query(`select t::text from "${name}" t`)),
    );
    return JSON.stringify(dumps);
  };

  it('ends its sessions at once, leaves no name, address or credential, and tells the owner', async () => {
    const alice = await gateway.aSubject();
    const { tokens } = await enrol(gateway, alice);
    expect((await remove(alice.id)).data?.deleteUser).toBe(true);
    expect((await alice.me(tokens.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.refresh(tokens.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
    await gateway.mailbox.settled();
    const subjects = (await gateway.mailbox.to(alice.email)).map(({ subject }) => subject);
    expect(subjects).toContainEqual(expect.stringContaining('deleted'));
    await gateway.database.query('delete from dev_mail');
    const dump = await everything();
    for (const trace of [alice.email, alice.username]) expect(dump).not.toContain(trace);
    const events = await gateway.database.query(
      `select actor_id from audit_event where action = 'account.deleted' and subject_id = $1`,
      [alice.id],
    );
    expect(events).toEqual([{ actor_id: admin.id }]);
    expect((await remove(alice.id)).code).toBe('NOT_FOUND');
  });

  it('does not wait until an e-mail change can no longer be undone, although the owner must', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { accessToken: bearer } = await alice.signedIn();
    const newEmail = `new-${alice.email}`;
    await gateway.client.execute(ChangeEmailDocument, { newEmail, password: alice.password }, { bearer });
    const token = await gateway.mailbox.token(newEmail, 'confirm-email');
    await gateway.client.execute(ConfirmEmailDocument, { token });
    expect((await remove(alice.id)).errors).toEqual([]);
    const tokens = await gateway.database.query('select from one_time_token where user_id = $1', [alice.id]);
    expect(tokens).toEqual([]);
  });

  it('happens before a concurrent grant or not at all, over two processes', async () => {
    const role = await aRole(gateway, ['kyc:review']);
    for (let round = 0; round < 20; round += 1) {
      const alice = await gateway.aSubject();
      const granting = second.client.execute(
        GrantRoleDocument,
        { userId: alice.id, role: role.name },
        { bearer: root.tokens.accessToken },
      );
      const [removed, granted] = await Promise.all([remove(alice.id), granting]);
      expect([
        [undefined, 'NOT_FOUND'],
        ['FORBIDDEN', undefined],
      ]).toContainEqual([removed.code, granted.code]);
    }
  });

  it("is refused for the last superuser, for the administrator's own account, and for an account with more permissions", async () => {
    const clerk = await staffWith(gateway, ['kyc:review']);
    expect((await remove(clerk.id)).code).toBe('FORBIDDEN');
    expect(await remove(admin.id)).toMatchObject({
      code: 'BAD_USER_INPUT',
      errors: [
        { extensions: { fields: [{ field: 'userId', message: expect.stringContaining('deleteAccount') }] } },
      ],
    });
    await gateway.database.query(
      `delete from role_grant where user_id <> $1 and role_id = (select id from role where name = 'superuser')`,
      [root.id],
    );
    expect((await remove(root.id, root)).code).toBe('CONFLICT');
    const heir = await aSuperuser(gateway);
    expect((await remove(root.id, root)).code).toBe('BAD_USER_INPUT');
    expect((await remove(root.id, heir)).errors).toEqual([]);
    root = heir;
  });
});
