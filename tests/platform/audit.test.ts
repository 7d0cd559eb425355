import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { RegisterDocument, RevokeOtherSessionsDocument } from '../support/generated/operations.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

/** Refuses events of one action, as a full disk would refuse all. */
async function refusing(action: string, work: () => Promise<void>): Promise<void> {
  await gateway.database.query(
    `alter table audit_event add constraint refused check (action <> '${action}') not valid`,
  );
  await work();
  await gateway.database.query('alter table audit_event drop constraint refused');
}

describe('a change that cannot be audited does not happen', () => {
  it('when it creates an account', async () => {
    await refusing('account.registered', async () => {
      const input = {
        username: 'unrecorded',
        email: 'unrecorded@example.test',
        password: 'velvet anchor rising',
      };
      expect((await gateway.client.execute(RegisterDocument, { input })).code).toBe('INTERNAL_SERVER_ERROR');
    });
    expect(await gateway.database.query(`select from users where username_key = 'unrecorded'`)).toEqual([]);
  });

  it('when it creates a session', async () => {
    const alice = await gateway.aSubject();
    await refusing('session.created', async () => {
      expect((await alice.login()).code).toBe('INTERNAL_SERVER_ERROR');
    });
    expect(await gateway.sessions.count(alice.id)).toBe(0);
  });

  it('when it ends sessions', async () => {
    const alice = await gateway.aSubject();
    const [other, here] = [await alice.signedIn(), await alice.signedIn()];
    await refusing('session.ended', async () => {
      const reply = await gateway.client.execute(
        RevokeOtherSessionsDocument,
        {},
        { bearer: here.accessToken },
      );
      expect(reply.code).toBe('INTERNAL_SERVER_ERROR');
    });
    expect((await alice.me(other.accessToken)).errors).toEqual([]);
  });
});

describe('an audit event', () => {
  it('names actor, subject, time, source and request id', async () => {
    const alice = await gateway.aSubject();
    await alice.login({ headers: { 'x-request-id': 'request-of-this-login', 'user-agent': 'Browser/1.0' } });
    const [event] = await gateway.database.query(
      `select * from audit_event where action = 'session.created' and request_id = 'request-of-this-login'`,
    );
    expect(event).toMatchObject({
      actor_id: alice.id,
      subject_id: alice.id,
      outcome: 'SUCCESS',
      ip_address: '127.0.0.1',
      user_agent: 'Browser/1.0',
      at: expect.any(Date),
    });
  });
});
