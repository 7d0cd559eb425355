import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ChangePasswordDocument,
  ConfirmEmailDocument,
  DeleteAccountDocument,
  RecoverAccountDocument,
  ResetPasswordDocument,
  UndoEmailChangeDocument,
} from '../support/generated/operations.ts';
import { eventually, race } from '../support/race.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

const ROUNDS = 6;
const NEW_PASSWORD = 'copper lantern drifting';

/**
 * An account with every link that can be mailed to it, and the operations of its owner with each. Half of the
 * accounts have a confirmed address.
 */
async function aBusyAccount(round: number) {
  const alice = await gateway.aSubject();
  const isProved = round % 2 === 0;
  if (isProved) await gateway.confirm(alice);
  const { accessToken: bearer } = await alice.signedIn();
  const { client, mailbox } = gateway;
  const next = `busy-${round}-${alice.email}`;
  const { password } = alice;
  await client.execute(ChangeEmailDocument, { newEmail: next, password }, { bearer });
  const change = await mailbox.token(next, 'confirm-email');
  const undo = isProved ? await mailbox.token(alice.email, 'undo-email-change') : '';
  await client.execute(RecoverAccountDocument, { email: alice.email });
  const reset = await mailbox.token(alice.email, 'reset-password');
  return {
    reset: () => client.execute(ResetPasswordDocument, { token: reset, newPassword: NEW_PASSWORD }),
    confirm: () => client.execute(ConfirmEmailDocument, { token: change }),
    undo: () => client.execute(UndoEmailChangeDocument, { token: undo }),
    changeEmail: () =>
      client.execute(ChangeEmailDocument, { newEmail: `again-${next}`, password }, { bearer }),
    changePassword: () =>
      client.execute(
        ChangePasswordDocument,
        { currentPassword: password, newPassword: 'granite willow humming' },
        { bearer },
      ),
    remove: () => client.execute(DeleteAccountDocument, { password }, { bearer }),
  };
}

describe('concurrent operations of one account', () => {
  it('run one after the other, without a deadlock', async () => {
    const codes = new Set<unknown>();
    for (let round = 0; round < ROUNDS; round++) {
      const account = await aBusyAccount(round);
      const replies = await Promise.all(
        [
          account.reset,
          account.confirm,
          account.undo,
          account.changeEmail,
          account.changePassword,
          account.remove,
        ].flatMap((operation) => [operation(), operation()]),
      );
      for (const { code } of replies) codes.add(code);
    }
    expect(codes).not.toContain('SERVICE_UNAVAILABLE');
    expect(codes).not.toContain('INTERNAL_SERVER_ERROR');
  });
});

describe('recoverAccount', () => {
  it('leaves at most ten valid links when it is called twenty times at once', async () => {
    const alice = await gateway.aSubject();
    await race(20, () => gateway.client.execute(RecoverAccountDocument, { email: alice.email }));
    await eventually(
      async () =>
        (await gateway.mailbox.to(alice.email)).filter(({ text }) => text.includes('/reset-password#')),
      (mails) => mails.length === 20,
    );
    const links = await gateway.database.query(
      `select from one_time_token where user_id = $1 and purpose = 'RESET_PASSWORD'`,
      [alice.id],
    );
    expect(links).toHaveLength(10);
  });
});
