import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestGateway } from '../support/gateway.ts';
import {
  RemoveSecondFactorDocument,
  ResetPasswordDocument,
  SendPasswordResetDocument,
} from '../support/generated/operations.ts';
import { challengeOf, completeLogin, enrol, startEnrolment } from '../support/second-factor.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import { staffWith } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

describe.each(STORES)('an owner who lost access, with sessions in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;
  let admin: Subject & { tokens: Tokens };

  beforeAll(async () => {
    on = await startOn(store);
    gateway = on.gateway;
    admin = await staffWith(gateway, ['factor:remove', 'user:unlock']);
  });
  afterAll(() => on.close());

  const bearer = (who = admin) => ({ bearer: who.tokens.accessToken });
  const events = (action: string, subjectId: string) =>
    gateway.database.query(
      'select actor_id, details from audit_event where action = $1 and subject_id = $2',
      [action, subjectId],
    );

  describe('gets the second factor removed', () => {
    const remove = (userId: string, who = admin) =>
      gateway.client.execute(RemoveSecondFactorDocument, { userId }, bearer(who));

    it('with the recovery codes; sessions and pending sign-ins end, and the owner gets a notice', async () => {
      const alice = await gateway.aSubject();
      const { tokens, recoveryCodes } = await enrol(gateway, alice);
      const challenge = await challengeOf(alice);
      expect((await remove(alice.id)).data?.removeSecondFactor.username).toBe(alice.username);
      expect((await alice.me(tokens.accessToken)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(tokens.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
      const late = await completeLogin(gateway.client, { challenge, recoveryCode: recoveryCodes[0] ?? '' });
      expect(late.code).toBe('INVALID_TOKEN');
      expect((await alice.login()).data?.login).toMatchObject({ session: { aal: 1 } });
      const left = await gateway.database.query('select from recovery_code where user_id = $1', [alice.id]);
      expect(left).toEqual([]);
      await gateway.mailbox.settled();
      const subjects = (await gateway.mailbox.to(alice.email)).map(({ subject }) => subject);
      expect(subjects).toContainEqual(expect.stringContaining('Two-step sign-in was removed'));
      expect(await events('second_factor.removed', alice.id)).toEqual([
        { actor_id: admin.id, details: { endedSessions: 1 } },
      ]);
    });

    it('also while it is being enrolled; without a factor, only a read of the account is audited', async () => {
      const bob = await gateway.aSubject();
      const { accessToken } = await bob.signedIn();
      await startEnrolment(bob, accessToken);
      expect((await remove(bob.id)).errors).toEqual([]);
      expect((await bob.me(accessToken)).errors).toEqual([]);
      expect(await events('second_factor.removed', bob.id)).toEqual([]);
      expect(await events('account.read', bob.id)).toEqual([{ actor_id: admin.id, details: null }]);
    });

    it('by another administrator who has at least the permissions of the owner', async () => {
      expect(await remove(admin.id)).toMatchObject({
        code: 'BAD_USER_INPUT',
        errors: [
          { extensions: { fields: [{ field: 'userId', message: expect.stringContaining('disableTotp') }] } },
        ],
      });
      const clerk = await staffWith(gateway, ['kyc:review']);
      expect((await remove(clerk.id)).code).toBe('FORBIDDEN');
    });
  });

  describe('gets a link for a new password', () => {
    const send = (userId: string) => gateway.client.execute(SendPasswordResetDocument, { userId }, bearer());

    it('by a mail that names its sender; the link works for 24 hours, and nothing changes before it is used', async () => {
      const alice = await gateway.aSubject();
      const { accessToken } = await alice.signedIn();
      expect((await send(alice.id)).data?.sendPasswordReset).toBe(true);
      expect((await alice.me(accessToken)).errors).toEqual([]);
      const token = await gateway.mailbox.token(alice.email, 'reset-password');
      const mail = (await gateway.mailbox.to(alice.email)).find(({ text }) =>
        text.includes('reset-password'),
      );
      expect(mail?.text).toMatch(/An administrator .* sent you this link/);
      expect(mail?.text).toContain('24 hours');
      const [{ hours } = { hours: 0 }] = await gateway.database.query<{ hours: number }>(
        `select extract(epoch from expires_at - created_at)::int / 3600 as hours from one_time_token
         where user_id = $1 and purpose = 'RESET_PASSWORD'`,
        [alice.id],
      );
      expect(hours).toBe(24);
      const newPassword = 'copper lantern drifting';
      await gateway.client.execute(ResetPasswordDocument, { token, newPassword });
      expect((await alice.login({ password: newPassword })).errors).toEqual([]);
      expect(await events('account.password_reset_sent', alice.id)).toEqual([
        { actor_id: admin.id, details: null },
      ]);
    });

    it('except without an address or after a deactivation by an administrator: the error says what to do', async () => {
      const [nowhere, gone] = [await gateway.aSubject(), await gateway.aSubject()];
      await gateway.database.query('update users set email = null, email_key = null where id = $1', [
        nowhere.id,
      ]);
      await gateway.database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [gone.id]);
      expect(await send(nowhere.id)).toMatchObject({
        code: 'CONFLICT',
        errors: [{ message: expect.stringContaining('updateUser') }],
      });
      expect(await send(gone.id)).toMatchObject({
        code: 'CONFLICT',
        errors: [{ message: expect.stringContaining('setUserActive') }],
      });
    });
  });
});
