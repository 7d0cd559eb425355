/** @topology one: has two processes of its own */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client, Reply } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  GrantRoleDocument,
  RevokeRoleDocument,
  SetUserActiveDocument,
} from '../support/generated/operations.ts';
import { aSuperuser, makeSuperuser } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

let gateway: TestGateway;
let second: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
  second = await gateway.another();
});
afterAll(async () => {
  await second.close();
  await gateway.close();
});

type Staff = Subject & { tokens: Tokens };
type Removal = (who: Staff, whom: Subject, client?: Client) => Promise<Reply<unknown>>;
const revoke = (who: Staff, whom: Subject, client = gateway.client) =>
  client.execute(
    RevokeRoleDocument,
    { userId: whom.id, role: 'superuser' },
    { bearer: who.tokens.accessToken },
  );
const deactivate = (who: Staff, whom: Subject, client = gateway.client) =>
  client.execute(
    SetUserActiveDocument,
    { userId: whom.id, active: false },
    { bearer: who.tokens.accessToken },
  );
const activeSuperusers = async () => {
  const rows = await gateway.database.query<{ id: string }>(
    `select u.id from users u join role_grant g on g.user_id = u.id join role r on r.id = g.role_id
     where r.name = 'superuser' and u.deactivated_by is null`,
  );
  return rows.map(({ id }) => id);
};
/** Removes all superusers. */
const alone = async () => {
  await gateway.database.query(
    `delete from role_grant where role_id = (select id from role where name = 'superuser')`,
  );
};

/** Restores the account as an active superuser, and signs it in. */
async function restored(who: Subject): Promise<Staff> {
  await gateway.database.query('update users set deactivated_by = null where id = $1', [who.id]);
  await makeSuperuser(gateway, who);
  return Object.assign(who, { tokens: await who.signedIn() });
}

describe('the last active superuser', () => {
  it('can be neither revoked nor deactivated, by any caller', async () => {
    await alone();
    const only = await aSuperuser(gateway);
    expect((await revoke(only, only)).code).toBe('CONFLICT');
    expect((await deactivate(only, only)).code).toBe('CONFLICT');
    expect(await activeSuperusers()).toEqual([only.id]);
  });

  it('is counted without deactivated superusers', async () => {
    await alone();
    const [only, retired] = [await aSuperuser(gateway), await aSuperuser(gateway)];
    expect((await deactivate(only, retired)).errors).toEqual([]);
    expect((await revoke(only, only)).code).toBe('CONFLICT');
    expect((await revoke(only, retired)).errors).toEqual([]);
  });

  it.each<[string, Removal, Removal]>([
    ['revoke each other', revoke, revoke],
    ['deactivate each other', deactivate, deactivate],
    ['revoke and deactivate each other', revoke, deactivate],
  ])(
    'always remains when two %s fifty times, over two processes',
    async (_, one, other) => {
      await alone();
      const pair = [await gateway.aSubject(), await gateway.aSubject()] as const;
      for (let round = 0; round < 50; round++) {
        const [ada, bob] = [await restored(pair[0]), await restored(pair[1])];
        const replies = await Promise.all([one(ada, bob), other(bob, ada, second.client)]);
        const left = await activeSuperusers();
        expect(left).toHaveLength(1);
        expect(replies.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
      }
    },
    120_000,
  );

  it('remains when all of them give up the role at once', async () => {
    await alone();
    const all = [await aSuperuser(gateway), await aSuperuser(gateway), await aSuperuser(gateway)];
    const replies = await Promise.all(all.map((who) => revoke(who, who)));
    expect(await activeSuperusers()).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'CONFLICT')).toHaveLength(1);
  });

  it('can be revoked when there is another one', async () => {
    await alone();
    const [only, heir] = [await aSuperuser(gateway), await gateway.aSubject()];
    await gateway.client.execute(
      GrantRoleDocument,
      { userId: heir.id, role: 'superuser' },
      { bearer: only.tokens.accessToken },
    );
    expect((await revoke(only, only)).errors).toEqual([]);
    expect(await activeSuperusers()).toEqual([heir.id]);
  });
});
