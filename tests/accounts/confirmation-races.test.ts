/** @topology one: starts two processes of its own */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayPair } from '../support/gateway-pair.ts';
import {
  ConfirmEmailDocument,
  RecoverAccountDocument,
  ResendEmailConfirmationDocument,
  ResetPasswordDocument,
} from '../support/generated/operations.ts';
import { STORES } from '../support/session-stores.ts';
import { Subject } from '../support/subject.ts';

const ROUNDS = 8;
const NEW_PASSWORD = 'copper lantern drifting';

describe.each(STORES)('over two processes with sessions in %s', (store) => {
  let pair: GatewayPair;
  beforeAll(async () => {
    pair = await GatewayPair.startOn(store, { EMAIL_CONFIRMATION: 'required' });
  });
  afterAll(() => pair.close());

  let counter = 0;
  const anAddress = () => `raced-${++counter}@example.test`;
  /** Registers the address once in each process. Returns both links. */
  const register = async (email: string, process: 0 | 1) => {
    const subject = await Subject.register(pair.clients[process], { email });
    const sent = async () => (await pair.mailTo(email, 'confirm-email')).replaceAll('\u2060', '');
    let text = await sent();
    while (!text.includes(subject.username)) text = await sent();
    return { subject, token: tokenIn(text) };
  };
  const confirm = ({ subject, token }: { subject: Subject; token: string }, process: 0 | 1) =>
    pair.clients[process].execute(ConfirmEmailDocument, { token, password: subject.password });
  const owners = (email: string) =>
    pair.database.query<{ username: string }>('select username from users where email_key = $1', [email]);

  it('lets one of two registrations of one address win when both are confirmed at once', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const email = anAddress();
      const registrations = [await register(email, 0), await register(email, 1)] as const;
      const replies = await Promise.all([confirm(registrations[0], 0), confirm(registrations[1], 1)]);
      const winner = replies.findIndex(({ data }) => data);
      expect(replies.map(({ code }) => code ?? 'confirmed').toSorted()).toEqual([
        'INVALID_TOKEN',
        'confirmed',
      ]);
      expect(await owners(email)).toEqual([{ username: registrations[winner]?.subject.username }]);
      const waiting = await pair.database.query('select from pending_registration where email_key = $1', [
        email,
      ]);
      expect(waiting).toEqual([]);
    }
  });

  it('lets a confirmation or a reset of the account that already had the address win, without a deadlock', async () => {
    const codes = new Set<unknown>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const email = anAddress();
      const former = await register(email, 0);
      // Like an account that registered while confirmation was optional.
      expect((await confirm(former, 0)).errors).toEqual([]);
      const { accessToken } = await former.subject.signedIn();
      await pair.database.query('update users set email_confirmed_at = null where email_key = $1', [email]);
      const newer = await register(email, 1);
      await pair.clients[0].execute(RecoverAccountDocument, { email });
      const reset = tokenIn(await pair.mailTo(email, 'reset-password'));

      const replies = await Promise.all([
        confirm(newer, round % 2 === 0 ? 0 : 1),
        pair.clients[1].execute(ResetPasswordDocument, { token: reset, newPassword: NEW_PASSWORD }),
        pair.clients[0].execute(ResendEmailConfirmationDocument, { email }),
      ]);
      const [confirmed, claimed] = replies.map(({ data }) => Boolean(data));
      for (const { code } of replies) codes.add(code);
      expect([confirmed, claimed].filter(Boolean)).toHaveLength(1);
      const winner = confirmed ? newer : former;
      expect(await owners(email)).toEqual([{ username: winner.subject.username }]);
      // Whichever side won, the older credentials no longer sign in.
      expect((await former.subject.login()).code).toBe('INVALID_CREDENTIALS');
      for (const client of pair.clients) {
        await untilRefused(() => former.subject.me(accessToken, client));
      }
    }
    expect([...codes].filter((code) => code !== undefined)).toEqual(['INVALID_TOKEN']);
  });
});

const tokenIn = (text: string): string => /#token=([\w-]+)/.exec(text)?.[1] ?? '';

/** The other process learns of it within a second. */
async function untilRefused(ask: () => Promise<{ code: unknown }>): Promise<void> {
  const deadline = Date.now() + 3_000;
  let { code } = await ask();
  while (code !== 'UNAUTHENTICATED' && Date.now() < deadline) ({ code } = await ask());
  expect(code).toBe('UNAUTHENTICATED');
}
