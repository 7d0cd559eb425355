import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  CreateUserDocument,
  DeleteUserDocument,
  FindUserWithSessionsDocument,
  RemoveSecondFactorDocument,
  RevokeUserSessionDocument,
  SendPasswordResetDocument,
  UnlockUserDocument,
  UpdateUserDocument,
} from '../support/generated/operations.ts';
import { enrol } from '../support/second-factor.ts';
import { aSuperuser } from '../support/staff.ts';

let gateway: TestGateway;
let bearer: string;
beforeAll(async () => {
  gateway = await TestGateway.start();
  bearer = (await aSuperuser(gateway)).tokens.accessToken;
});
afterAll(() => gateway.close());

/** The first operation: the administrator knows a username or address of the person. */
async function find(user: string) {
  const { data, text } = await gateway.client.execute(FindUserWithSessionsDocument, { user }, { bearer });
  const [account] = data?.users.nodes ?? [];
  if (!data || !account) throw new Error(text);
  return { userId: account.id, sessions: data.userSessions };
}

describe('in two operations after the sign-in, an administrator', () => {
  it('unlocks an account', async () => {
    const { userId } = await find((await gateway.aSubject()).email);
    const { data } = await gateway.client.execute(UnlockUserDocument, { userId }, { bearer });
    expect(data?.unlockUser).toBe(true);
  });

  it('ends one session', async () => {
    const alice = await gateway.aSubject();
    const [phone, laptop] = [
      await alice.signedIn({ headers: { 'user-agent': 'Phone/1.0' } }),
      await alice.signedIn({ headers: { 'user-agent': 'Laptop/1.0' } }),
    ];
    const { userId, sessions } = await find(alice.username);
    const sessionId = sessions.find(({ userAgent }) => userAgent === 'Phone/1.0')?.id ?? '';
    const { data } = await gateway.client.execute(
      RevokeUserSessionDocument,
      { userId, sessionId },
      { bearer },
    );
    expect(data?.revokeUserSession).toBe(true);
    expect((await alice.me(phone.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.me(laptop.accessToken)).errors).toEqual([]);
  });

  it('removes a second factor, mails a link for a new password, and changes a name', async () => {
    const alice = await gateway.aSubject();
    await enrol(gateway, alice);
    const { userId } = await find(alice.email);
    const removed = await gateway.client.execute(RemoveSecondFactorDocument, { userId }, { bearer });
    expect(removed.errors).toEqual([]);
    const sent = await gateway.client.execute(SendPasswordResetDocument, { userId }, { bearer });
    expect(sent.errors).toEqual([]);
    const input = { id: userId, displayName: 'Alice' };
    const { data } = await gateway.client.execute(UpdateUserDocument, { input }, { bearer });
    expect(data?.updateUser.displayName).toBe('Alice');
  });

  it('creates a user, and deletes the account', async () => {
    const input = { username: 'short-lived', password: 'copper lantern drifting' };
    const created = await gateway.client.execute(CreateUserDocument, { input }, { bearer });
    const userId = created.data?.createUser.id ?? '';
    const { data } = await gateway.client.execute(DeleteUserDocument, { userId }, { bearer });
    expect(data?.deleteUser).toBe(true);
  });

  it('gets BAD_USER_INPUT when it requests sessions by no account or by two', async () => {
    for (const args of ['', '(user: "ada", userId: "x")']) {
      const reply = await gateway.client.raw(`{ userSessions${args} { id } }`, {}, { bearer });
      expect(reply.code).toBe('BAD_USER_INPUT');
    }
    const none = await gateway.client.raw('{ userSessions(user: "nobody-at-all") { id } }', {}, { bearer });
    expect(none).toMatchObject({ data: { userSessions: [] }, errors: [] });
  });
});
