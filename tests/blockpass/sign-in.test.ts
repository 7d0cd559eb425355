import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import type { FakeApp, ServiceError } from '../../examples/blockpass-fakes/index.ts';
import {
  type BlockpassWorld,
  SignInPage,
  startBlockpassWorld,
  subscriptionClient,
} from '../support/blockpass.ts';
import {
  ChangeEmailDocument,
  CompleteLoginDocument,
  MeDocument,
  RevokeOtherSessionsDocument,
  UndoEmailChangeDocument,
} from '../support/generated/operations.ts';
import { eventually, race } from '../support/race.ts';
import { enrol } from '../support/second-factor.ts';

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld();
});
afterAll(() => world.close());

const openPage = (bearer?: string) => SignInPage.open(world.gateway.browser(), bearer);
const accounts = async () =>
  Number((await world.gateway.database.query<{ n: string }>('select count(*) as n from users'))[0]?.n);
const ownerOf = async ({ person }: FakeApp): Promise<string | null | undefined> => {
  const [record] = await world.gateway.database.query<{ user_id: string | null }>(
    'select user_id from kyc_record where blockpass_id = $1',
    [person.id],
  );
  return record?.user_id;
};
const moveExpiry = (id: string) =>
  world.gateway.database.query(
    "update blockpass_sign_in set expires_at = now() - interval '1 second' where id = $1",
    [id],
  );

describe('a sign-in by QR code', () => {
  it('shows no secret in its QR code that would sign a reader in', async () => {
    const page = await openPage();
    const { clientId, session, ...others } = JSON.parse(page.qrText) as Record<string, string>;
    expect([clientId, others]).toEqual(['developer_service', {}]);
    expect(session).not.toBe(page.id);
    expect(page.qrText).not.toContain(page.secret);
  });

  it('belongs to the browser that started it: its id, its session code or another secret do not open it', async () => {
    const page = await openPage();
    const { session } = JSON.parse(page.qrText) as { session: string };
    await world.person().scan(page.qrText);
    const before = await accounts();
    for (const secret of [null, session, page.id, (await openPage()).secret]) {
      const variables = { id: page.id, secret };
      const looked = await world.gateway.client.raw(
        'query ($id: ID!, $secret: String) { blockpassSignIn(id: $id, secret: $secret) { state } }',
        variables,
      );
      expect(looked.data).toEqual({ blockpassSignIn: null });
      const stranger = Object.assign(Object.create(page), { browser: world.gateway.client }) as SignInPage;
      expect((await stranger.complete({ secret })).code).toBe('INVALID_TOKEN');
    }
    expect(await accounts()).toBe(before);
    await page.signedIn();
  });

  it('draws its QR code once, for any number of aliases', async () => {
    const took = async (fields: string) => {
      const before = performance.now();
      const { errors } = await world.gateway.client.raw(`mutation { startBlockpassSignIn { ${fields} } }`);
      expect(errors).toEqual([]);
      return performance.now() - before;
    };
    await took('qrCode');
    const once = Math.max(await took('qrCode'), await took('qrCode'));
    const aliases = Array.from({ length: 29 }, (_, index) => `a${index}: qrCode`).join(' ');
    expect(Math.min(await took(aliases), await took(aliases))).toBeLessThan(5 * once);
  });

  it('is bound to the browser by a cookie too, which is deleted when it is used', async () => {
    const page = await openPage();
    expect([...page.browser.cookies.keys()]).toEqual(['gatehouse_blockpass']);
    await world.person().scan(page.qrText);
    const { data } = await page.complete({ secret: null });
    expect(data?.completeBlockpassSignIn.__typename).toBe('Authenticated');
    expect([...page.browser.cookies.keys()].sort()).toEqual([
      'gatehouse_access',
      'gatehouse_device',
      'gatehouse_refresh',
    ]);
  });

  it('creates one session and one account when it is completed sixteen times at once', async () => {
    const page = await openPage();
    await world.person().scan(page.qrText);
    const before = await accounts();
    const replies = await race(16, () => page.complete());
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'INVALID_TOKEN')).toHaveLength(15);
    expect(await accounts()).toBe(before + 1);
    expect((await page.complete()).code).toBe('INVALID_TOKEN');
  });

  it('cannot be completed before it succeeded or after it expired', async () => {
    const early = await openPage();
    expect((await early.complete()).code).toBe('INVALID_TOKEN');
    const late = await openPage();
    await world.person().scan(late.qrText);
    await moveExpiry(late.id);
    expect(await late.state()).toBe('EXPIRED');
    expect((await late.complete()).code).toBe('INVALID_TOKEN');
    const unscanned = await openPage();
    await moveExpiry(unscanned.id);
    await expect(world.person().scan(unscanned.qrText)).resolves.toBeDefined();
    expect(await unscanned.state()).toBe('EXPIRED');
  });

  it('is completed at Blockpass once when the app calls eight times at once', async () => {
    const app = world.person();
    await app.open();
    const page = await openPage();
    const { session } = JSON.parse(page.qrText) as { session: string };
    world.blockpass.take(session);
    world.blockpass.calls.length = 0;
    await race(8, () => app.status(session));
    expect(world.blockpass.calls.filter((call) => call === 'complete')).toHaveLength(1);
    expect(await page.state()).toBe('SUCCESS');
  });

  it('does not sign in to a deactivated account', async () => {
    const app = world.person();
    const first = await openPage();
    await app.scan(first.qrText);
    const { id } = await first.signedIn();
    await world.gateway.database.query("update users set deactivated_by = 'ADMIN' where id = $1", [id]);
    const second = await openPage();
    await app.scan(second.qrText);
    expect((await second.complete()).code).toBe('INVALID_TOKEN');
  });

  it('asks once for the second factor of an account that has one', async () => {
    const subject = await world.gateway.aSubject();
    const { app: authenticator, tokens } = await enrol(world.gateway, subject);
    const link = await openPage(tokens.accessToken);
    const app = world.person();
    await app.scan(link.qrText);
    const challenged = async (page: SignInPage, bearer?: string) => {
      const { data } = await page.complete({ bearer });
      const result = data?.completeBlockpassSignIn;
      return result && 'challenge' in result ? result.challenge : undefined;
    };
    expect(await challenged(link, tokens.accessToken)).toBeDefined();
    const page = await openPage();
    await app.scan(page.qrText);
    const challenge = (await challenged(page)) ?? '';
    expect((await page.complete()).code).toBe('INVALID_TOKEN');
    const input = { challenge, securityCode: authenticator.code() };
    const { data } = await world.gateway.client.execute(CompleteLoginDocument, { input });
    expect(data?.completeLogin.session).toMatchObject({
      authenticationMethods: ['blockpass', 'otp'],
      aal: 2,
    });
  });

  it('keeps two tabs apart: the older one uses its secret', async () => {
    const browser = world.gateway.browser();
    const [older, newer] = [await SignInPage.open(browser), await SignInPage.open(browser)];
    await world.person().scan(older.qrText);
    expect((await newer.complete({ secret: null })).code).toBe('INVALID_TOKEN');
    await older.signedIn();
  });
});

describe('a QR code that another person sees too', () => {
  it('cannot be used by them once it was scanned, even while its owner is uploading', async () => {
    const page = await openPage();
    const { session } = JSON.parse(page.qrText) as { session: string };
    const [owner, thief] = [world.person(), world.person()];
    await thief.open();
    world.blockpass.take(session);
    await owner.status(session);
    const pass = await owner.login(session);
    for (const call of ['status', 'login'] as const) {
      const response = await fetch(world.blockpass.service.endpoints[call], {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ code: thief.code(session), sessionCode: session }),
      });
      expect([call, response.status]).toEqual([call, 409]);
    }
    expect(await page.state()).toBe('PROCESSING');
    await owner.upload(pass);
    const { id } = await page.signedIn();
    expect(await ownerOf(owner)).toBe(id);
  });

  it('belongs to one of two people who scan it at once', async () => {
    const page = await openPage();
    const { session } = JSON.parse(page.qrText) as { session: string };
    world.blockpass.take(session);
    const apps = Array.from({ length: 8 }, () => world.person());
    const outcomes = await race(8, (index) =>
      (apps[index] as FakeApp).login(session).then(
        () => 200,
        (error) => (error as ServiceError).status,
      ),
    );
    expect(outcomes.filter((status) => status === 200)).toHaveLength(1);
    expect(outcomes.filter((status) => status === 409)).toHaveLength(7);
  });
});

describe('linking a Blockpass identity', () => {
  it('adds it to the account that was signed in, and to no other', async () => {
    const subject = await world.gateway.aSubject();
    const { accessToken } = await subject.signedIn();
    const page = await openPage(accessToken);
    const app = world.person();
    await app.scan(page.qrText);
    expect((await page.complete()).code).toBe('INVALID_TOKEN');
    const other = await (await world.gateway.aSubject()).signedIn();
    expect((await page.complete({ bearer: other.accessToken })).code).toBe('INVALID_TOKEN');
    expect((await page.signedIn({ bearer: accessToken })).id).toBe(subject.id);
    const later = await openPage();
    await app.scan(later.qrText);
    expect((await later.signedIn()).id).toBe(subject.id);
    const [event] = await world.gateway.database.query(
      "select actor_id from audit_event where action = 'blockpass.linked' and subject_id = $1",
      [subject.id],
    );
    expect(event).toEqual({ actor_id: subject.id });
  });

  it('is refused for an account that has another identity', async () => {
    const subject = await world.gateway.aSubject();
    const { accessToken } = await subject.signedIn();
    for (const code of [undefined, 'CONFLICT']) {
      const page = await openPage(accessToken);
      await world.person().scan(page.qrText);
      expect((await page.complete({ bearer: accessToken })).code).toBe(code);
    }
  });

  it('needs a recent authentication at its start, so that a stolen session cannot add another sign-in', async () => {
    const subject = await world.gateway.aSubject();
    const { accessToken } = await subject.signedIn();
    const page = await openPage(accessToken);
    await world.person().scan(page.qrText);
    world.gateway.clock.advance(400);
    expect((await page.complete({ bearer: accessToken })).code).toBe('REAUTHENTICATION_REQUIRED');
    // The person had been taking pictures for five minutes meanwhile.
    await world.gateway.database.query(
      "update blockpass_sign_in set created_at = now() - interval '300 seconds' where id = $1",
      [page.id],
    );
    expect((await page.signedIn({ bearer: accessToken })).id).toBe(subject.id);
    world.gateway.clock.advance(-400);
  });

  it('does not happen when its session ends while it waits', async () => {
    const subject = await world.gateway.aSubject();
    const [thief, owner] = [await subject.signedIn(), await subject.signedIn()];
    const page = await openPage(thief.accessToken);
    const app = world.person();
    await app.scan(page.qrText);
    const connection = await world.gateway.database.connect();
    await connection.query('begin');
    await connection.query('select from users where id = $1 for no key update', [subject.id]);
    const linking = page.complete({ bearer: thief.accessToken });
    await eventually(world.gateway.database.lockWaiters, (count) => count > 0);
    await world.gateway.client.execute(RevokeOtherSessionsDocument, {}, { bearer: owner.accessToken });
    await connection.query('commit');
    await connection.end();
    expect((await linking).code).toBe('UNAUTHENTICATED');
    expect(await ownerOf(app)).toBeNull();
  });

  it('is reverted together with an e-mail change, even when it came first, since the same thief may have made both', async () => {
    const subject = await world.gateway.confirm(await world.gateway.aSubject());
    const { accessToken: bearer } = await subject.signedIn();
    const page = await openPage(bearer);
    const app = world.person();
    await app.scan(page.qrText);
    await page.signedIn({ bearer });
    expect(await ownerOf(app)).toBe(subject.id);
    const newEmail = `thief-${subject.id}@example.test`;
    await world.gateway.client.execute(
      ChangeEmailDocument,
      { newEmail, password: subject.password },
      { bearer },
    );
    const token = await world.gateway.mailbox.token(subject.email, 'undo-email-change');
    await world.gateway.client.execute(UndoEmailChangeDocument, { token });
    expect(await ownerOf(app)).toBeNull();
  });

  it('does not sign in when the identity is removed while the sign-in waits for the account', async () => {
    const subject = await world.gateway.aSubject();
    const { accessToken: bearer } = await subject.signedIn();
    const app = world.person();
    const linking = await openPage(bearer);
    await app.scan(linking.qrText);
    await linking.signedIn({ bearer });
    const page = await openPage();
    await app.scan(page.qrText);
    const undo = await world.gateway.database.connect();
    await undo.query('begin');
    await undo.query('select from users where id = $1 for no key update', [subject.id]);
    const late = page.complete();
    await eventually(world.gateway.database.lockWaiters, (count) => count > 0);
    await undo.query('update kyc_record set user_id = null where user_id = $1', [subject.id]);
    await undo.query('commit');
    await undo.end();
    expect((await late).code).toBe('INVALID_TOKEN');
  });

  it('never uses an uploaded e-mail address, either to find the account or to set its address', async () => {
    const subject = await world.gateway.aSubject();
    const page = await openPage();
    await world.person('Eve Mallory', { email: subject.email }).scan(page.qrText);
    const { id, accessToken } = await page.signedIn();
    expect(id).not.toBe(subject.id);
    const { data } = await world.gateway.client.execute(MeDocument, {}, { bearer: accessToken });
    expect(data?.me).toMatchObject({ email: null, emailConfirmed: false });
  });
});

describe('the subscription', () => {
  it('reports a change in another process than the one that the app calls, before its next poll', async () => {
    const other = await world.gateway.another();
    const socket = subscriptionClient(other.url);
    const app = world.person();
    await app.open();
    try {
      let took = 0;
      for (let round = 0; round < 5; round++) {
        const page = await openPage();
        const { promise: heard, resolve } = Promise.withResolvers<string>();
        const following = page.follow(socket, page.secret, resolve);
        await heard;
        const began = performance.now();
        await app.scan(page.qrText);
        expect((await following).at(-1)).toBe('SUCCESS');
        took += performance.now() - began;
      }
      // Polls are two seconds apart (sign-in-watch.ts). Five of them would have taken ten.
      expect(took).toBeLessThan(7_000);
    } finally {
      await socket.dispose();
      await other.close();
    }
  });

  it('keeps its socket open, without a credential, until it ends', async () => {
    const page = await openPage();
    const socket = subscriptionClient(world.gateway.url);
    const { promise: heard, resolve } = Promise.withResolvers<string>();
    const following = page.follow(socket, page.secret, resolve);
    expect(await heard).toBe('CREATED');
    // The gateway closes a socket that is neither signed in nor subscribed after five seconds. Its close shows that
    // the socket of the subscription outlived that time.
    const idle = new WebSocket(`${world.gateway.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await once(idle, 'open');
    idle.send('{"type":"connection_init"}');
    await once(idle, 'close');
    await world.person().scan(page.qrText);
    expect((await following).at(-1)).toBe('SUCCESS');
    await socket.dispose();
  }, 30_000);

  it('is limited to ten on a socket', async () => {
    const socket = subscriptionClient(world.gateway.url);
    const pages = [];
    for (let count = 0; count < 11; count++) pages.push(await openPage());
    const follow = (page: SignInPage) => {
      const { promise: heard, resolve } = Promise.withResolvers<string>();
      return Promise.race([heard, page.follow(socket, page.secret, resolve)]);
    };
    for (const page of pages.slice(0, 10)) expect(await follow(page)).toBe('CREATED');
    await expect(follow(pages[10] as SignInPage)).rejects.toEqual([
      expect.objectContaining({ extensions: expect.objectContaining({ code: 'RATE_LIMITED' }) }),
    ]);
    await socket.dispose();
  });

  it('is only for the browser that started the sign-in, by secret or by cookie', async () => {
    const page = await openPage();
    const stranger = subscriptionClient(world.gateway.url);
    await expect(page.follow(stranger, 'guess')).rejects.toThrow(/NOT_FOUND/);
    await stranger.dispose();
    const cookie = [...page.browser.cookies].map((pair) => pair.join('=')).join('; ');
    const own = subscriptionClient(world.gateway.url, { headers: { cookie } });
    const following = page.follow(own, null);
    await world.person().scan(page.qrText);
    expect((await following).at(-1)).toBe('SUCCESS');
    await own.dispose();
  });

  it('ends when the account that the sign-in would link is deleted', async () => {
    const subject = await world.gateway.aSubject();
    const { accessToken } = await subject.signedIn();
    const page = await openPage(accessToken);
    const socket = subscriptionClient(world.gateway.url);
    const { promise: heard, resolve } = Promise.withResolvers<string>();
    const following = page.follow(socket, page.secret, resolve);
    await heard;
    await world.gateway.database.query('delete from blockpass_sign_in where id = $1', [page.id]);
    expect(await following).toEqual(['CREATED']);
    await socket.dispose();
  });

  it('ends when the sign-in expires, even long after the ten seconds allowed for its start', async () => {
    const page = await openPage();
    const socket = subscriptionClient(world.gateway.url);
    const { promise: heard, resolve } = Promise.withResolvers<string>();
    const following = page.follow(socket, page.secret, resolve);
    await heard;
    await new Promise((passed) => setTimeout(passed, 10_500));
    await moveExpiry(page.id);
    expect(await following).toEqual(['CREATED', 'EXPIRED']);
    await socket.dispose();
  });
});
