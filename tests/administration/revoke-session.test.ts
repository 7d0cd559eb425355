import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestGateway } from '../support/gateway.ts';
import { RevokeUserSessionDocument, UserSessionsDocument } from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import { staffWith } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

describe.each(STORES)('ending one session of an account, with sessions in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;
  let admin: Subject & { tokens: Tokens };

  beforeAll(async () => {
    on = await startOn(store);
    gateway = on.gateway;
    admin = await staffWith(gateway, ['session:read', 'session:revoke']);
  });
  afterAll(() => on.close());

  const bearer = () => ({ bearer: admin.tokens.accessToken });
  const end = (userId: string, sessionId: string) =>
    gateway.client.execute(RevokeUserSessionDocument, { userId, sessionId }, bearer());

  it('refuses its tokens at once and leaves the other sessions alone', async () => {
    const alice = await gateway.aSubject();
    const [lost, kept] = [await alice.signedIn(), await alice.signedIn()];
    expect((await end(alice.id, lost.sessionId)).data?.revokeUserSession).toBe(true);
    expect((await alice.me(lost.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.refresh(lost.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    expect((await alice.me(kept.accessToken)).errors).toEqual([]);
    const { data } = await gateway.client.execute(UserSessionsDocument, { userId: alice.id }, bearer());
    expect(data?.userSessions.map(({ id }) => id)).toEqual([kept.sessionId]);
    const events = await gateway.database.query(
      `select actor_id, details from audit_event where action = 'session.ended' and subject_id = $1`,
      [alice.id],
    );
    expect(events).toEqual([{ actor_id: admin.id, details: { sessionId: lost.sessionId } }]);
  });

  it('happens once for several requests at once', async () => {
    const alice = await gateway.aSubject();
    const { sessionId } = await alice.signedIn();
    const replies = await race(5, () => end(alice.id, sessionId));
    expect(replies.filter(({ data }) => data?.revokeUserSession)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'NOT_FOUND')).toHaveLength(4);
  });

  it('answers NOT_FOUND for a session of another account and for an ended one', async () => {
    const [alice, bob] = [await gateway.aSubject(), await gateway.aSubject()];
    const { accessToken, sessionId } = await alice.signedIn();
    expect((await end(bob.id, sessionId)).code).toBe('NOT_FOUND');
    expect((await end(alice.id, 'x')).code).toBe('NOT_FOUND');
    expect((await alice.me(accessToken)).errors).toEqual([]);
    await end(alice.id, sessionId);
    expect((await end(alice.id, sessionId)).code).toBe('NOT_FOUND');
  });

  it('is refused for an administrator with fewer permissions than the account', async () => {
    const clerk = await staffWith(gateway, ['kyc:review']);
    expect((await end(clerk.id, clerk.tokens.sessionId)).code).toBe('FORBIDDEN');
    expect((await clerk.me(clerk.tokens.accessToken)).errors).toEqual([]);
  });
});
