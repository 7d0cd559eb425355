/** @topology one: loses answers of the database to a single process */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../../src/platform/id.ts';
import { TestGateway } from '../../support/gateway.ts';
import { ChangePasswordDocument, RegisterDocument } from '../../support/generated/operations.ts';
import { elapse, eventually } from '../../support/race.ts';
import { type GatewayOnStore, STORES, startOn } from '../../support/session-stores.ts';
import type { Subject } from '../../support/subject.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const NEW_PASSWORD = 'seven quiet lanterns';

describe.each(STORES)('with sessions in %s, when the outcome of a COMMIT is unknown', (store) => {
  let direct: GatewayOnStore;
  let gateway: TestGateway;
  let proxy: TcpProxy;

  beforeAll(async () => {
    direct = await startOn(store);
    const url = new URL(direct.gateway.database.servingUrl);
    proxy = await TcpProxy.to(url.hostname, Number(url.port));
    url.port = String(proxy.port);
    gateway = await direct.gateway.another({ DATABASE_URL: url.href });
  });
  afterAll(async () => {
    await proxy.close();
    await gateway.close();
    await direct.close();
  });

  /**
   * Runs the call while the database does not answer its COMMIT. The database stays silent while `then` runs.
   */
  async function losing<Reply>(
    text: string,
    call: () => Promise<Reply>,
    then: () => Promise<unknown> = async () => {},
  ): Promise<Reply> {
    const frozen = proxy.loseCommitOf(text).then(() => proxy.freeze({ all: true }));
    try {
      const reply = await call();
      await frozen;
      await then();
      return reply;
    } finally {
      proxy.thaw();
    }
  }
  /** Its mail must be sent first, or the lost COMMIT would be the one of the mail. */
  async function aSubject(): Promise<Subject> {
    const subject = await direct.gateway.aSubject();
    await direct.gateway.mailbox.settled();
    return subject;
  }
  const sessionEvents = (userId: string) =>
    direct.gateway.database.query<{ action: string; session: string; reason: string | null }>(
      `select action, details->>'sessionId' as session, details->>'reason' as reason from audit_event
       where subject_id = $1 and action like 'session.%' order by at, id`,
      [userId],
    );

  it('a login ends its session, whose tokens no client received, when the database answers again', async () => {
    const alice = await aSubject();
    const reply = await losing(
      alice.id,
      () => alice.login({ client: gateway.client }),
      // The first attempt to end the session fails.
      () => elapse(1_500, 'attempts are a second apart, and one that fails is not logged'),
    );
    expect(reply.code).toBe('SERVICE_UNAVAILABLE');
    expect(reply.text).toContain('It is unknown whether the change was made');
    const [created, ended] = await eventually(
      () => sessionEvents(alice.id),
      ({ length }) => length === 2,
    );
    expect(created?.action).toBe('session.created');
    expect(ended).toEqual({ action: 'session.ended', session: created?.session, reason: 'unclaimed' });
    await eventually(
      () => direct.sessions.count(alice.id),
      (count) => count === 0,
    );
    const revocations = await direct.gateway.database.query('select from ending where session_id = $1', [
      created?.session,
    ]);
    expect(revocations).toHaveLength(1);
  });

  it('a login whose reply arrives keeps its session', async () => {
    const alice = await aSubject();
    const { accessToken } = await alice.signedIn({ client: gateway.client });
    expect((await alice.me(accessToken, gateway.client)).errors).toEqual([]);
  });

  it('a process can be closed while the database is silent, and ends no session later', async () => {
    const url = new URL(direct.gateway.database.servingUrl);
    url.port = String(proxy.port);
    const closing = await direct.gateway.another({ DATABASE_URL: url.href });
    const alice = await aSubject();
    let closedWithin = 0;
    await losing(
      alice.id,
      () => alice.login({ client: closing.client }),
      async () => {
        const before = performance.now();
        await closing.close();
        closedWithin = performance.now() - before;
      },
    );
    expect(closedWithin).toBeLessThan(20_000);
    await elapse(1_500, 'an attempt of the closed process would have ended the session by now');
    expect((await sessionEvents(alice.id)).map(({ action }) => action)).toEqual(['session.created']);
  });

  it('a repeated registration is answered with the account', async () => {
    const username = `subject-${newId().slice(-12)}`;
    const input = { username, email: `${username}@example.test`, password: 'velvet anchor of the sea' };
    const register = () => gateway.client.execute(RegisterDocument, { input });
    expect((await losing(username, register)).code).toBe('SERVICE_UNAVAILABLE');
    const again = await eventually(register, ({ code }) => code !== 'SERVICE_UNAVAILABLE');
    expect(again.errors).toEqual([]);
    const [account] = await direct.gateway.database.query<{ id: string }>(
      'select id from users where username = $1',
      [username],
    );
    expect(again.data?.register.id).toBe(account?.id);
  });

  it('a repeated changePassword is answered as done', async () => {
    const alice = await aSubject();
    const { accessToken: bearer } = await alice.signedIn();
    const change = () =>
      gateway.client.execute(
        ChangePasswordDocument,
        { currentPassword: alice.password, newPassword: NEW_PASSWORD },
        { bearer },
      );
    expect((await losing(alice.id, change)).code).toBe('SERVICE_UNAVAILABLE');
    const again = await eventually(change, ({ code }) => code !== 'SERVICE_UNAVAILABLE');
    expect(again.data).toEqual({ changePassword: true });
    expect((await alice.login({ password: NEW_PASSWORD })).errors).toEqual([]);
  });
});
