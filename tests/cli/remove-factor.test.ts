/** @topology one: is about a command, not about requests */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command } from '../support/command.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';
import { eventually } from '../support/race.ts';
import { challengeOf, completeLogin, enrol } from '../support/second-factor.ts';

const secrets = newSecrets();
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start(secrets);
});
afterAll(() => gateway.close());

async function removeFactor(email: string) {
  const { code, output, errors } = await command(['users', 'remove-factor', email], {
    NODE_ENV: 'test',
    DATABASE_URL: gateway.database.servingUrl,
    DATABASE_MIGRATION_URL: gateway.database.ownerUrl,
    ...secrets,
  });
  return { code, output: output.trimEnd(), errors: errors.trimEnd() };
}

describe('gatehouse users remove-factor', () => {
  it('removes the factor, ends the sessions and voids pending sign-ins', async () => {
    const alice = await gateway.aSubject();
    const { tokens, recoveryCodes } = await enrol(gateway, alice);
    const challenge = await challengeOf(alice);
    expect(await removeFactor(alice.email.toUpperCase())).toEqual({
      code: 0,
      output: `The account ${alice.username} has no second factor any more; sessions that ended: 1.`,
      errors: '',
    });
    await eventually(
      () => alice.me(tokens.accessToken),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_000 },
    );
    const late = await completeLogin(gateway.client, { challenge, recoveryCode: recoveryCodes[0] ?? '' });
    expect(late.code).toBe('INVALID_TOKEN');
    expect((await alice.login()).data?.login).toMatchObject({ session: { aal: 1 } });
    const events = await gateway.database.query(
      `select actor_id, details from audit_event where subject_id = $1 and action = 'second_factor.removed'`,
      [alice.id],
    );
    expect(events).toEqual([{ actor_id: null, details: { endedSessions: 1 } }]);
  });

  it('says when the account has no factor, and when no account has the address', async () => {
    const bob = await gateway.aSubject();
    expect((await removeFactor(bob.email)).output).toBe(`The account ${bob.username} has no second factor.`);
    expect(await removeFactor('nobody@example.test')).toEqual({
      code: 1,
      output: '',
      errors: 'No account has this e-mail address.',
    });
  });
});
