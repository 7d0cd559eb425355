import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { RevokeOtherSessionsDocument } from '../support/generated/operations.ts';
import { aPerson, GoogleStandIn, newNonce, oneTap } from '../support/google-stand-in.ts';
import { eventually } from '../support/race.ts';

let google: GoogleStandIn;
let gateway: TestGateway;
beforeAll(async () => {
  google = await GoogleStandIn.start();
  gateway = await TestGateway.start(google.settings);
});
afterAll(async () => {
  await gateway.close();
  await google.close();
});

/** Two sessions of an account without a password, so that no password is asked for. */
const twoSessions = async () => {
  const person = aPerson();
  const signIn = async () => {
    const { data, text } = await oneTap(gateway.client, google, person);
    if (data?.loginWithGoogle.__typename !== 'Authenticated') throw new Error(text);
    return { bearer: data.loginWithGoogle.accessToken ?? '', id: data.loginWithGoogle.user.id };
  };
  return { thief: await signIn(), owner: await signIn() };
};

const everythingOf = async (userId: string) =>
  gateway.database.query(
    `select deactivated_by, email,
            (select count(*)::int from password_credential where user_id = u.id) as passwords,
            (select array_agg(subject) from google_identity where user_id = u.id) as subjects,
            (select count(*)::int from one_time_token where user_id = u.id) as tokens
     from users u where id = $1`,
    [userId],
  );

type Ask = (bearer: string) => Promise<{ code: unknown }>;

const linkGoogle: Ask = async (bearer) => {
  const idToken = await google.idToken({ ...aPerson(), nonce: await newNonce(gateway.client) });
  const query = 'mutation ($idToken: String!) { linkGoogle(idToken: $idToken) { id } }';
  return gateway.client.raw(query, { idToken }, { bearer });
};
const mutation =
  (operation: string): Ask =>
  (bearer) =>
    gateway.client.raw(`mutation { ${operation} }`, {}, { bearer });

interface Operation {
  readonly name: string;
  readonly ask: Ask;
  /** Brings the account into a state in which the operation is possible. */
  readonly preparation?: string;
}

const operations: Operation[] = [
  {
    name: 'linkGoogle',
    ask: linkGoogle,
    preparation: 'delete from google_identity where user_id = $1',
  },
  {
    name: 'unlinkGoogle',
    ask: mutation('unlinkGoogle { id }'),
    preparation: `insert into password_credential (user_id, hash) values ($1, '$2b$04$')`,
  },
  { name: 'changePassword', ask: mutation('changePassword(newPassword: "copper lantern drifting")') },
  { name: 'changeEmail', ask: mutation('changeEmail(newEmail: "thief@example.test") { id }') },
  { name: 'deactivateAccount', ask: mutation('deactivateAccount') },
  { name: 'deleteAccount', ask: mutation('deleteAccount') },
];

it.each(operations)(
  '$name changes nothing when its session ends while it waits',
  async ({ ask, preparation }) => {
    const { thief, owner } = await twoSessions();
    if (preparation) await gateway.database.query(preparation, [owner.id]);
    const before = await everythingOf(owner.id);
    const connection = await gateway.database.connect();
    try {
      await connection.query('begin');
      await connection.query('select from users where id = $1 for no key update', [owner.id]);
      const underWay = ask(thief.bearer);
      await eventually(gateway.database.lockWaiters, (count) => count > 0);
      const { data } = await gateway.client.execute(
        RevokeOtherSessionsDocument,
        {},
        { bearer: owner.bearer },
      );
      expect(data?.revokeOtherSessions).toBe(1);
      await connection.query('commit');
      expect((await underWay).code).toMatch(/^(UNAUTHENTICATED|INVALID_CREDENTIALS)$/);
      expect(await everythingOf(owner.id)).toEqual(before);
    } finally {
      await connection.end();
    }
  },
);
