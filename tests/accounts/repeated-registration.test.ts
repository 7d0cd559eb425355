import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PasswordHasher } from '../../src/passwords/password-hasher.ts';
import { Client } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import { ConfirmEmailDocument, RegisterDocument } from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { enrol } from '../support/second-factor.ts';
import { Subject } from '../support/subject.ts';

const PROXIED = { TRUSTED_PROXIES: '127.0.0.1' };

let optional: TestGateway;
let required: TestGateway;
let second: Record<'optional' | 'required', TestGateway>;
let limited: TestGateway;

beforeAll(async () => {
  optional = await TestGateway.start(PROXIED);
  required = await optional.another({ EMAIL_CONFIRMATION: 'required' });
  second = {
    optional: await optional.another(),
    required: await optional.another({ EMAIL_CONFIRMATION: 'required' }),
  };
  limited = await optional.another({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: 'register.ip=9999/60' });
});
afterAll(async () => {
  for (const gateway of [limited, second.required, second.optional, required, optional])
    await gateway.close();
});
afterEach(() => {
  jest.restoreAllMocks();
});

let counter = 0;
const aRegistration = () => {
  counter += 1;
  return {
    username: `repeats-${counter}`,
    email: `repeats-${counter}@example.test`,
    password: 'velvet anchor rising',
    displayName: `Repeats ${counter}`,
  };
};
type Registration = ReturnType<typeof aRegistration>;

const HOME = '2001:db8:7:1::1';
const register = (input: Registration, client: Client, from = HOME) =>
  client.execute(RegisterDocument, { input }, { headers: { 'x-forwarded-for': from } });

describe.each([
  ['optional', () => optional],
  ['required', () => required],
] as const)('with EMAIL_CONFIRMATION=%s, a registration that is repeated', (mode, at) => {
  it('answers as before, and sends no second mail', async () => {
    const input = aRegistration();
    const first = await register(input, at().client);
    expect(first.errors).toEqual([]);
    // Another address of the same /64.
    const again = await register(input, new Client(second[mode].url), '2001:db8:7:1::2');
    expect(again.errors).toEqual([]);
    expect(again.data).toEqual(first.data);
    await optional.mailbox.settled();
    expect(await optional.mailbox.to(input.email)).toHaveLength(1);
  });

  it('lets the browser that repeated it confirm the address without a password', async () => {
    const input = aRegistration();
    const browser = at().browser();
    await register(input, at().client);
    await register(input, browser);
    const token = await optional.mailbox.token(input.email, 'confirm-email');
    const { data } = await browser.execute(ConfirmEmailDocument, { token, password: null });
    expect(data?.confirmEmail.emailConfirmed).toBe(true);
  });

  it('makes one account when it is sent twenty times at once to two processes', async () => {
    const input = aRegistration();
    const clients = [at().client, new Client(second[mode].url)] as const;
    const replies = await race(20, (index) => register(input, clients[index % 2] as Client));
    const answers = new Set(replies.map(({ data, code }) => data?.register.id ?? code));
    // A process whose queue of hashes is full may refuse some of them.
    answers.delete('SERVICE_UNAVAILABLE');
    expect([...answers]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    await optional.mailbox.settled();
    expect(await optional.mailbox.to(input.email)).toHaveLength(1);
  });

  it.each<[string, Partial<Registration>]>([
    ['another password', { password: 'velvet anchor falling' }],
    ['another address', { email: 'somebody-else@example.test' }],
    ['another display name', { displayName: 'Somebody Else' }],
  ])('is a CONFLICT with %s', async (_what, change) => {
    const input = aRegistration();
    await register(input, at().client);
    expect((await register({ ...input, ...change }, at().client)).code).toBe('CONFLICT');
  });

  it('is a CONFLICT from another network', async () => {
    const input = aRegistration();
    await register(input, at().client);
    expect((await register(input, at().client, '2001:db8:7:2::1')).code).toBe('CONFLICT');
  });

  it('is a CONFLICT after ten minutes', async () => {
    const input = aRegistration();
    const { data } = await register(input, at().client);
    await age(data?.register.id ?? '', 590);
    expect((await register(input, at().client)).errors).toEqual([]);
    await age(data?.register.id ?? '', 20);
    expect((await register(input, at().client)).code).toBe('CONFLICT');
  });

  it('compares passwords only for the network that registered the username', async () => {
    const input = aRegistration();
    await register(input, at().client);
    const compared = jest.spyOn(PasswordHasher.prototype, 'verify');
    await register(input, at().client, '2001:db8:7:2::1');
    await register({ ...input, username: `${input.username}-other` }, at().client);
    expect(compared).not.toHaveBeenCalled();
    // The work is the same whether the address matches or not.
    await register({ ...input, password: 'velvet anchor falling' }, at().client);
    expect(compared).toHaveBeenCalledTimes(1);
    await register({ ...input, email: 'somebody-else@example.test' }, at().client);
    expect(compared).toHaveBeenCalledTimes(2);
  });
});

/** Moves the record of a registration into the past. */
const age = (id: string, seconds: number) =>
  optional.database.query(
    `update audit_event set at = at - make_interval(secs => $2)
     where subject_id = $1 and action in ('account.registered', 'account.registration_requested')`,
    [id, seconds],
  );

describe('a registration that is repeated', () => {
  it('is a CONFLICT once the account has a second factor', async () => {
    const input = aRegistration();
    const { data } = await register(input, optional.client);
    await enrol(
      optional,
      new Subject(optional.client, data?.register.id ?? '', input.username, input.email, input.password),
    );
    expect((await register(input, optional.client)).code).toBe('CONFLICT');
  });

  it('is a CONFLICT when an operator made the account', async () => {
    const input = aRegistration();
    const { data } = await register(input, optional.client);
    // The audit trail shows an operator by an actor other than the owner.
    await optional.database.query(
      `update audit_event set actor_id = null where subject_id = $1 and action = 'account.registered'`,
      [data?.register.id],
    );
    expect((await register(input, optional.client)).code).toBe('CONFLICT');
  });

  it.each([
    ['fits', {}],
    ['does not fit', { email: 'contested@example.test' }],
  ])('charges register.repeated for a wrong password when the address %s', async (_what, change) => {
    const input = aRegistration();
    await register(input, optional.client);
    const wrong = { ...input, ...change, password: 'velvet anchor falling' };
    const codes = [];
    for (let guess = 0; guess < 6; guess += 1) codes.push((await register(wrong, limited.client)).code);
    expect(codes).toEqual([...Array<string>(5).fill('CONFLICT'), 'RATE_LIMITED']);
  });

  it('charges nothing for the right password', async () => {
    const input = aRegistration();
    for (let call = 0; call < 8; call += 1)
      expect((await register(input, limited.client)).errors).toEqual([]);
  });
});
