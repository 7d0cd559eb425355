/** @topology one: starts gateways behind a pooler of its own */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../../support/gateway.ts';
import { LogoutDocument } from '../../support/generated/operations.ts';
import { hasPgBouncer, TestPgBouncer } from '../../support/pgbouncer.ts';
import { eventually, race } from '../../support/race.ts';
import { tokensOf } from '../../support/subject.ts';

(hasPgBouncer ? describe : describe.skip).each(['session', 'transaction'] as const)(
  'a gateway behind PgBouncer in %s mode',
  (mode) => {
    let direct: TestGateway;
    let bouncer: TestPgBouncer;
    let gateway: TestGateway;

    beforeAll(async () => {
      direct = await TestGateway.start();
      const { servingUrl, ownerUrl } = direct.database;
      bouncer = await TestPgBouncer.start(mode, [servingUrl, ownerUrl]);
      gateway = await direct.another({
        DATABASE_URL: bouncer.urlOf(servingUrl),
        DATABASE_MIGRATION_URL: bouncer.urlOf(ownerUrl),
      });
    });
    afterAll(async () => {
      await gateway?.close();
      await bouncer?.close();
      await direct.close();
    });

    it('serves many requests at once without an error', async () => {
      const alice = await gateway.aSubject();
      const replies = await race(20, async () => {
        const login = await alice.signedIn();
        const refreshed = await alice.refresh(login.refreshToken);
        return alice.me(tokensOf(refreshed).accessToken);
      });
      expect(replies.flatMap(({ errors }) => errors)).toEqual([]);
    });

    it('learns of a sign-out in another process within a second', async () => {
      const alice = await gateway.aSubject();
      const { accessToken } = await alice.signedIn();
      expect((await alice.me(accessToken)).errors).toEqual([]);
      await direct.client.execute(LogoutDocument, {}, { bearer: accessToken });
      await eventually(
        () => alice.me(accessToken),
        ({ code }) => code === 'UNAUTHENTICATED',
        { withinMilliseconds: 1_500 },
      );
    });

    it('names the features that the pooler does not support', async () => {
      const said = () =>
        gateway.logLines.filter((line) => line.includes('events of the database do not arrive'));
      if (mode === 'transaction') {
        await eventually(
          async () => said(),
          (lines) => lines.length === 1,
          { withinMilliseconds: 5_000 },
        );
        expect(said()[0]).toContain('a connection pooler in transaction mode');
      } else expect(said()).toEqual([]);
    });
  },
);
