import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { race } from '../support/race.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({ MAX_SESSIONS_PER_USER: '5' });
});
afterAll(() => gateway.close());

describe('the number of sessions of one account', () => {
  it('is kept by ending the oldest: its tokens are refused at once, and the audit trail says why', async () => {
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

  it('is kept by twenty sign-ins at once, and every one of them that is left works', async () => {
    const alice = await gateway.aSubject();
    const replies = await race(20, () => alice.login());
    expect(replies.flatMap(({ errors }) => errors)).toEqual([]);
    const sessions = await gateway.database.query('select from session where user_id = $1', [alice.id]);
    expect(sessions).toHaveLength(5);
    const endings = await gateway.database.query(
      'select distinct session_id from ending where user_id = $1',
      [alice.id],
    );
    expect(endings).toHaveLength(15);
  });
});
