/** @topology one: makes its own two processes, whose clocks differ */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { LogoutDocument } from '../support/generated/operations.ts';
import { enrol } from '../support/second-factor.ts';
import { tokensOf } from '../support/subject.ts';

/** Seconds: as far apart as clocks get when time synchronisation has failed for a while. */
const APART = 30;

let behind: TestGateway;
let ahead: TestGateway;
beforeAll(async () => {
  behind = await TestGateway.start();
  ahead = await behind.another();
  behind.clock.toMidStep();
  ahead.clock.advance((behind.clock.now() - ahead.clock.now()) / 1000 + APART);
});
afterAll(async () => {
  await ahead.close();
  await behind.close();
});

describe('two processes whose clocks are half a minute apart', () => {
  it("accept each other's tokens, refreshed in turn", async () => {
    const alice = await behind.aSubject();
    let tokens = await alice.signedIn({ client: ahead.client });
    for (let turn = 0; turn < 6; turn += 1) {
      for (const { client } of [behind, ahead]) {
        expect((await alice.me(tokens.accessToken, client)).data?.me?.id).toBe(alice.id);
      }
      tokens = tokensOf(await alice.refresh(tokens.refreshToken, (turn % 2 ? ahead : behind).client));
    }
    const late = await behind.database.query(
      `select from audit_event where action in ('session.refresh_reused', 'session.ended')`,
    );
    expect(late).toEqual([]);
  });

  it('agree on ended sessions', async () => {
    const alice = await behind.aSubject();
    for (const [here, there] of [
      [behind, ahead],
      [ahead, behind],
    ] as const) {
      const { accessToken, refreshToken } = await alice.signedIn({ client: here.client });
      await here.client.execute(LogoutDocument, {}, { bearer: accessToken });
      await there.gateway.caughtUp();
      expect((await alice.me(accessToken, there.client)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(refreshToken, there.client)).code).toBe('INVALID_REFRESH_TOKEN');
    }
  });

  it('accept a security code once, in either process', async () => {
    const alice = await behind.aSubject();
    const { app } = await enrol(behind, alice);
    const securityCode = app.code(1);
    const login = (on: TestGateway) => alice.login({ client: on.client, securityCode });
    expect((await login(ahead)).errors).toEqual([]);
    expect((await login(behind)).code).toBe('INVALID_CREDENTIALS');
    expect((await login(ahead)).code).toBe('INVALID_CREDENTIALS');
  });
});
