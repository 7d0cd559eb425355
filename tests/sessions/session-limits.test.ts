import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestGateway } from '../support/gateway.ts';
import { eventually, race } from '../support/race.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';

describe.each(STORES)('the number of sessions of one account in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;

  beforeAll(async () => {
    on = await startOn(store, { MAX_SESSIONS_PER_USER: '5' });
    gateway = on.gateway;
  });
  afterAll(() => on.close());

  it('is limited by ending the oldest, whose tokens are refused at once, and the audit trail gives the reason', async () => {
    const alice = await gateway.aSubject();
    const oldest = await alice.signedIn();
    for (let count = 2; count <= 6; count++) await alice.signedIn();
    expect((await alice.me(oldest.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.refresh(oldest.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    const events = await gateway.database.query(
      `select details from audit_event where subject_id = $1 and action = 'session.displaced'`,
      [alice.id],
    );
    expect(events).toEqual([{ details: { sessionId: oldest.sessionId } }]);
  });

  it('is limited for twenty sign-ins at once, and every remaining session works', async () => {
    const alice = await gateway.aSubject();
    const replies = await race(20, () => alice.login());
    expect(replies.flatMap(({ errors }) => errors)).toEqual([]);
    await eventually(
      () => on.sessions.count(alice.id),
      (count) => count === 5,
    );
    const revocations = await gateway.database.query(
      'select distinct session_id from ending where user_id = $1',
      [alice.id],
    );
    expect(revocations).toHaveLength(15);
  });
});
