/** @topology one: each gateway has rules of its own, which a shared Redis would mix */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { WebSocket } from 'ws';
import { RATE_LIMIT_RULES } from '../../src/modules.ts';
import { type BlockpassWorld, pointAppAt, startBlockpassWorld } from '../support/blockpass.ts';
import type { Client } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import { GoogleStandIn } from '../support/google-stand-in.ts';
import { race } from '../support/race.ts';
import { challengeOf, enrol } from '../support/second-factor.ts';
import { aSuperuser } from '../support/staff.ts';
import type { Subject } from '../support/subject.ts';

jest.setTimeout(120_000);

/** A gateway without limits, on which accounts are made. */
let free: TestGateway;
let world: BlockpassWorld;
let google: GoogleStandIn;
/**
 * Gateways with their own databases: a mail worker without limits must not take the jobs of the gateway under
 * test.
 */
const ofWorkers: TestGateway[] = [];

beforeAll(async () => {
  google = await GoogleStandIn.start();
  world = await startBlockpassWorld({ ...google.settings, JWT_SERVICE_AUDIENCES: 'reports' });
  free = world.gateway;
});
afterAll(async () => {
  for (const gateway of ofWorkers) await gateway.close();
  await world.close();
  await google.close();
});

/** One run of an operation that the rule guards. @returns the code of its failure, if any. */
type Run = () => Promise<unknown>;
/** Prepares what the operation needs on `free`. The run then goes to a gateway where the rule allows one run. */
type Attempt = (at: TestGateway) => Promise<Run>;

const LIMITED = 'RATE_LIMITED';
const unique = () => randomBytes(6).toString('hex');
const codeOf = async (client: Client, query: string, bearer?: string, cookie?: string) =>
  (await client.raw(query, {}, { bearer, ...(cookie !== undefined && { headers: { cookie } }) })).code;
/** For an operation without preparation. */
const asNobody =
  (query: () => string): Attempt =>
  async (at) =>
  () =>
    codeOf(at.client, query());
/** For an operation of a signed-in caller. */
const asSomebody =
  (query: (alice: Subject, refreshToken: string) => string): Attempt =>
  async (at) => {
    const alice = await free.aSubject();
    const { accessToken, refreshToken } = await alice.signedIn();
    return () => codeOf(at.client, query(alice, refreshToken), accessToken);
  };
/** For an operation of a signed-in caller, from a known device. */
const asKnownDevice =
  (query: () => string): Attempt =>
  async (at) => {
    const [alice, browser] = [await free.aSubject(), free.browser()];
    const { accessToken } = await alice.signedIn({ client: browser });
    const mark = `gatehouse_device=${browser.cookies.get('gatehouse_device')}`;
    return () => codeOf(at.client, query(), accessToken, mark);
  };
/** For a rule that the mail worker charges: a mail over the limit is answered like one that is sent. */
const byWorker =
  (rule: string, ask: (own: TestGateway, email: string) => Promise<unknown>): Attempt =>
  async () => {
    const own = await TestGateway.start({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: onlyOneRun([rule]) });
    ofWorkers.push(own);
    const { email } = await own.aSubject();
    let runs = 0;
    return async () => {
      await own.mailbox.settled();
      runs += 1;
      await ask(own, email);
      await own.mailbox.settled();
      // The registration has already sent one mail.
      return (await own.mailbox.to(email)).length > runs ? undefined : LIMITED;
    };
  };
const resend = (own: TestGateway, email: string) =>
  codeOf(own.client, `mutation { resendEmailConfirmation(email: "${email}") }`);
const onlyOneRun = (rules: readonly string[]) =>
  Object.keys(RATE_LIMIT_RULES)
    .map((rule) => `${rule}=${rules.includes(rule) ? '1/3600' : '9999/60'}`)
    .join();
/** For a wrong second factor, at a login with the right password. */
const wrongFactor =
  (input: string): Attempt =>
  async (at) => {
    const alice = await free.aSubject();
    await enrol(free, alice);
    const challenges = await race(4, () => challengeOf(alice));
    return () =>
      codeOf(
        at.client,
        `mutation { completeLogin(input: { challenge: "${challenges.pop()}", ${input} }) { tokenType } }`,
      );
  };
const login = (identifier: string) =>
  `mutation { login(input: { identifier: "${identifier}", password: "a wrong password" }) { __typename } }`;
const register = (email: string) =>
  `mutation { register(input: { username: "u-${unique()}", email: "${email}", password: "velvet anchor rising" }) { id } }`;
const changePassword =
  'mutation { changePassword(currentPassword: "wrong", newPassword: "velvet anchor rising") }';
const reauthenticate = 'mutation { reauthenticate(password: "wrong") { tokenType } }';
const ask = (name: string) => async (at: TestGateway) => async () => {
  const { status } = await fetch(`${at.url}/blockpass/api/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"code":"unknown"}',
  });
  return status === 429 ? LIMITED : undefined;
};

/**
 * In each round every rule allows one run in an hour. Rules that guard the same operation are in different
 * rounds.
 */
const ROUNDS: readonly Readonly<Record<string, Attempt>>[] = [
  {
    'login.ip': asNobody(() => login(unique())),
    'register.ip': asNobody(() => register(`${unique()}@example.test`)),
    'publicProfile.ip': asNobody(() => '{ publicProfile(username: "x") { username } }'),
    'confirmEmail.ip': asNobody(() => 'mutation { confirmEmail(token: "x") { id } }'),
    'resendEmailConfirmation.ip': asNobody(
      () => `mutation { resendEmailConfirmation(email: "${unique()}@example.test") }`,
    ),
    'recoverAccount.ip': asNobody(() => `mutation { recoverAccount(email: "${unique()}@example.test") }`),
    'resetPassword.ip': asNobody(
      () => 'mutation { resetPassword(token: "x", newPassword: "velvet anchor rising") }',
    ),
    'undoEmailChange.ip': asNobody(() => 'mutation { undoEmailChange(token: "x") }'),
    'completeLogin.ip': asNobody(
      () => 'mutation { completeLogin(input: { challenge: "x", securityCode: "123456" }) { tokenType } }',
    ),
    'refresh.ip': asNobody(() => 'mutation { refresh(refreshToken: "x") { tokenType } }'),
    'reauthenticate.ip': asSomebody(() => reauthenticate),
    'currentPasswordCheck.ip': asSomebody(() => changePassword),
    'google.ip': asNobody(() => 'mutation { loginWithGoogle(idToken: "x") { __typename } }'),
    'startBlockpassSignIn.ip': asNobody(() => 'mutation { startBlockpassSignIn { id } }'),
    'blockpassSignIn.ip': asNobody(() => '{ blockpassSignIn(id: "x") { id } }'),
    'completeBlockpassSignIn.ip': asNobody(
      () => 'mutation { completeBlockpassSignIn(id: "x") { __typename } }',
    ),
    'blockpassApp.ip': ask('status'),
    'socket.ip': async (at) => async () => {
      const socket = new WebSocket(`${at.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
      const closed = once(socket, 'close').then(([code]) => code as number);
      await once(socket, 'open');
      socket.send('{"type":"connection_init"}');
      const welcomed = once(socket, 'message').then(() => undefined);
      const code = await Promise.race([closed, welcomed]);
      socket.terminate();
      return code === 1013 ? LIMITED : undefined;
    },
    'exportMyData.account': asSomebody(() => '{ exportMyData }'),
    'unlockUser.account': async (at) => {
      const [{ id }, { tokens }] = [await free.aSubject(), await aSuperuser(free)];
      return () => codeOf(at.client, `mutation { unlockUser(userId: "${id}") }`, tokens.accessToken);
    },
    'sendPasswordReset.account': async (at) => {
      const [{ id }, { tokens }] = [await free.aSubject(), await aSuperuser(free)];
      return () => codeOf(at.client, `mutation { sendPasswordReset(userId: "${id}") }`, tokens.accessToken);
    },
    'updateProfile.account': asSomebody(
      () => 'mutation { updateProfile(input: { displayName: "A" }) { id } }',
    ),
    'confirmTotp.account': asSomebody(() => 'mutation { confirmTotp(securityCode: "123456") { codes } }'),
    'regenerateRecoveryCodes.account': asSomebody(
      () => 'mutation { regenerateRecoveryCodes(securityCode: "123456") { codes } }',
    ),
  },
  {
    'login.accountAtIp': async (at) => {
      const { username } = await free.aSubject();
      return () => codeOf(at.client, login(username));
    },
    'register.recipient': async (at) => {
      const email = `${unique()}@example.test`;
      let runs = 0;
      return () => codeOf(at.client, register(email.replace('@', `+${++runs}@`)));
    },
    'register.repeated': async (at) => {
      const subject = unique();
      const registerWith = (password: string) =>
        `mutation { register(input: { username: "${subject}", email: "${subject}@example.test", password: "${password}" }) { id } }`;
      await codeOf(free.client, registerWith('velvet anchor rising'));
      return () => codeOf(at.client, registerWith('velvet anchor falling'));
    },
    'mail.recipient': byWorker('mail.recipient', resend),
    'resendEmailConfirmation.recipient': byWorker('resendEmailConfirmation.recipient', resend),
    'recoverAccount.recipient': byWorker('recoverAccount.recipient', (own, email) =>
      codeOf(own.client, `mutation { recoverAccount(email: "${email}") }`),
    ),
    'confirmEmail.registration': async (at) => {
      const alice = await free.aSubject();
      const token = await free.mailbox.token(alice.email, 'confirm-email');
      return () =>
        codeOf(
          at.client,
          `mutation { confirmEmail(token: "${token}", password: "a wrong password") { id } }`,
        );
    },
    'changeEmail.account': asSomebody(
      ({ password }) =>
        `mutation { changeEmail(newEmail: "${unique()}@example.test", password: "${password}") { id } }`,
    ),
    'refresh.session': asSomebody(
      (_, token) => `mutation { refresh(refreshToken: "${token}") { tokenType } }`,
    ),
    'refreshRefused.ip': asNobody(() => 'mutation { refresh { tokenType } }'),
    'serviceToken.session': asSomebody(
      () => 'mutation { accessTokenFor(audience: "reports") { expiresIn } }',
    ),
    'reauthenticate.session': asSomebody(() => reauthenticate),
    'currentPasswordCheck.session': asSomebody(() => changePassword),
    'secondFactor.account': wrongFactor('securityCode: "000000"'),
    'blockpassApp.person': async (at) => {
      const app = world.person();
      pointAppAt(world.blockpass, at.url);
      return () =>
        app.status(null).then(
          () => undefined,
          (error: Error) => (/429/.test(error.message) ? LIMITED : error),
        );
    },
    'notice.account': async (at) => {
      const alice = await free.aSubject();
      const { accessToken } = await alice.signedIn();
      const passwords = [alice.password, 'copper lantern drifting', 'velvet anchor rising'];
      return async () => {
        const [current = '', next = ''] = passwords;
        passwords.shift();
        const before = await noticesTo(alice);
        const change = `mutation { changePassword(currentPassword: "${current}", newPassword: "${next}") }`;
        const code = await codeOf(at.client, change, accessToken);
        if (code !== undefined) return code;
        await free.mailbox.settled();
        return (await noticesTo(alice)) > before ? undefined : LIMITED;
      };
    },
  },
  {
    'login.account': async (at) => {
      const { email } = await free.aSubject();
      return () => codeOf(at.client, login(email));
    },
    'login.device': async (at) => {
      const [alice, browser] = [await free.aSubject(), free.browser()];
      await alice.signedIn({ client: browser });
      const mark = `gatehouse_device=${browser.cookies.get('gatehouse_device')}`;
      return () => codeOf(at.client, login(alice.username), undefined, mark);
    },
    'reauthenticate.account': asSomebody(() => reauthenticate),
    'reauthenticate.device': asKnownDevice(() => reauthenticate),
    'currentPasswordCheck.account': asSomebody(() => changePassword),
    'currentPasswordCheck.device': asKnownDevice(() => changePassword),
    'changeEmail.recipient': asSomebody(
      ({ password, username }) =>
        `mutation { changeEmail(newEmail: "new-${username}@example.test", password: "${password}") { id } }`,
    ),
    'secondFactor.recovery': wrongFactor('recoveryCode: "AAAA-AAAA-AAAA-AAAA"'),
    'secondFactor.session': async (at) => {
      const { tokens } = await enrol(free, await free.aSubject());
      // Each enrolment advances the clock of `free`, and a token from the future is refused.
      at.clock.advance((free.clock.now() - at.clock.now()) / 1000);
      const guess = 'mutation { regenerateRecoveryCodes(securityCode: "000000") { codes } }';
      return () => codeOf(at.client, guess, tokens.accessToken);
    },
  },
];

const noticesTo = async ({ email }: Subject) =>
  (await free.mailbox.to(email)).filter(({ subject }) => /password was changed/i.test(subject)).length;

/** Rules that count guesses at an account, which unlockUser refills. */
const GUESSES = [
  'login.device',
  'login.accountAtIp',
  'login.account',
  'register.repeated',
  'confirmEmail.registration',
  'confirmTotp.account',
  'regenerateRecoveryCodes.account',
  'reauthenticate.device',
  'reauthenticate.session',
  'reauthenticate.account',
  'currentPasswordCheck.device',
  'currentPasswordCheck.session',
  'currentPasswordCheck.account',
  'secondFactor.account',
  'secondFactor.recovery',
  'secondFactor.session',
];
/** Rules that count something else for an account. */
const NOT_GUESSES = [
  'blockpassApp.person',
  'changeEmail.account',
  'exportMyData.account',
  'notice.account',
  'refresh.session',
  'sendPasswordReset.account',
  'serviceToken.session',
  'unlockUser.account',
  'updateProfile.account',
];

/** Unlocks every account, so that it does not matter which one an attempt was about. */
async function unlockEverybody(): Promise<void> {
  const { tokens } = await aSuperuser(free);
  const users = await free.database.query<{ id: string }>('select id from users');
  for (const { id } of users)
    await codeOf(free.client, `mutation { unlockUser(userId: "${id}") }`, tokens.accessToken);
}

it('a rule that is not for networks or mailboxes is listed here, either as counting guesses or as not counting them', () => {
  const ofAccounts = Object.keys(RATE_LIMIT_RULES).filter((rule) => !/\.(ip|recipient)$/.test(rule));
  expect(ofAccounts.toSorted()).toEqual([...GUESSES, ...NOT_GUESSES].toSorted());
});

it('every rule has a row', () => {
  const rows = ROUNDS.flatMap((round) => Object.keys(round));
  expect(rows.toSorted()).toEqual(Object.keys(RATE_LIMIT_RULES).toSorted());
});

it('the table of daily failures in docs/security.md is what the rules allow', () => {
  const [row = ''] = readFileSync('docs/security.md', 'utf8').match(/^\| 21 .*$/m) ?? [];
  const inADay = (rule: string) => {
    const { burst = 0, perSeconds = 1 } = RATE_LIMIT_RULES[rule] ?? {};
    return (burst + (burst / perSeconds) * 86_400).toLocaleString('en');
  };
  const bySession = ['reauthenticate', 'currentPasswordCheck'].map((name) => inADay(`${name}.account`));
  const halves = ['reauthenticate', 'currentPasswordCheck'].map(
    (name) => RATE_LIMIT_RULES[`${name}.session`]?.burst,
  );
  expect(halves).toEqual([5, 5]);
  const byDevice = ['reauthenticate', 'currentPasswordCheck'].map((name) => inADay(`${name}.device`));
  expect(byDevice).toEqual(bySession);
  const said =
    /(\S+) in a day\..* has (\S+) more in a day by name,.* sessions of the account has (\S+) by .* and (\S+) by .*\. One session has half of each\. Each known device has as much again\. .* has (\S+) guesses and its recovery codes (\S+) /.exec(
      row,
    );
  expect(said?.slice(1)).toEqual([
    (2 * Number(inADay('login.account'))).toLocaleString('en'),
    inADay('login.device'),
    ...bySession,
    inADay('secondFactor.account'),
    inADay('secondFactor.recovery'),
  ]);
});

describe.each(ROUNDS.map((round, index) => [index + 1, round] as const))('in round %i', (_, round) => {
  let at: TestGateway;
  beforeAll(async () => {
    at = await free.another({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: onlyOneRun(Object.keys(round)) });
  });
  afterAll(() => at.close());

  it.each(Object.entries(round))('%s limits the operation that it guards', async (rule, attempt) => {
    const run = await attempt(at);
    expect([(await run()) === LIMITED, await run()]).toEqual([false, LIMITED]);
    if (!GUESSES.includes(rule)) return;
    await unlockEverybody();
    expect([(await run()) === LIMITED, await run()]).toEqual([false, LIMITED]);
  });
});
