import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type FakeApp,
  type NextAction,
  picture,
  ServiceError,
} from '../../examples/blockpass-fakes/index.ts';
import { type BlockpassWorld, pointAppAt, SignInPage, startBlockpassWorld } from '../support/blockpass.ts';
import { elapse, eventually, race } from '../support/race.ts';

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld({ BLOCKPASS_OPTIONAL_FIELDS: 'phone' });
});
afterAll(() => world.close());
beforeEach(() => world.blockpass.trouble.clear());

const records = async () =>
  Number((await world.gateway.database.query<{ n: string }>('select count(*) as n from kyc_record'))[0]?.n);
const tokensOf = ({ person }: FakeApp) =>
  world.gateway.database.query('select sealed_tokens from kyc_record where blockpass_id = $1', [person.id]);
const post = async (call: string, body: unknown, headers = {}) => {
  const response = await fetch(`${world.gateway.url}/blockpass/api/${call}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status: response.status, body: (await response.json()) as { err?: number; msg?: string } };
};
const statusOf = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 200,
    (error: unknown) => (error instanceof ServiceError ? error.status : error),
  );

describe('a code', () => {
  it.each(['status', 'login', 'register', 'resubmit'])(
    'is refused by %s, in the error format of the protocol, when Blockpass does not confirm it, and leaves no row',
    async (call) => {
      const before = await records();
      const body = { code: 'ac_guessed', fieldList: ['email'], certList: [] };
      expect(await post(call, body)).toEqual({
        status: 403,
        body: { err: 403, msg: 'Blockpass does not confirm this code.' },
      });
      expect(await records()).toBe(before);
    },
  );

  it('works once, and only with its own session', async () => {
    const app = world.person();
    const code = app.code(null);
    expect((await post('status', { code })).status).toBe(200);
    expect((await post('status', { code })).status).toBe(403);
    const page = await SignInPage.open(world.gateway.browser());
    const { session } = JSON.parse(page.qrText) as { session: string };
    expect((await post('login', { code: app.code(null), sessionCode: session })).status).toBe(403);
    expect(await page.state()).toBe('CREATED');
  });

  it.each<{ what: string; body: unknown }>([
    { what: 'not JSON', body: '{' },
    { what: 'not an object', body: '[]' },
    { what: 'no code', body: {} },
    { what: 'not a text', body: { code: 1 } },
    { what: 'too long', body: { code: 'a'.repeat(2_000) } },
    { what: 'with a line break', body: { code: 'a\r\nb' } },
    { what: 'with a strange session', body: { code: 'a', sessionCode: {} } },
  ])('is refused as input when it is $what', async ({ body }) => {
    const reply = await post('status', body);
    expect([reply.status, reply.body.err]).toEqual([400, 400]);
  });

  it('needs no request id, even where other clients do; a body of 9 kB is too large', async () => {
    const strict = await world.gateway.another({ REQUIRE_REQUEST_ID: 'true' });
    const reply = await fetch(`${strict.url}/blockpass/api/status`, {
      method: 'POST',
      body: JSON.stringify({ code: 'x' }),
      headers: { 'content-type': 'application/json' },
    });
    expect(reply.status).toBe(403);
    await strict.close();
    expect((await post('status', { code: 'x', more: 'x'.repeat(9_000) })).status).toBe(413);
  });
});

describe('an upload token', () => {
  const uploadTokenFor = async (app: FakeApp): Promise<NextAction> => app.register();

  it('lists the required and the optional items', async () => {
    expect(await uploadTokenFor(world.person())).toEqual({
      nextAction: 'upload',
      accessToken: expect.stringMatching(/^[\w-]{43}$/),
      requiredFields: ['email', 'selfie'],
      optionalFields: ['phone'],
      certs: ['onfido-service-cert'],
    });
  });

  it('stores one of twenty concurrent uploads over two processes; later ones are told that it is stored', async () => {
    const other = await world.gateway.another();
    const app = world.person();
    const uploadToken = await uploadTokenFor(app);
    const outcomes = await race(20, (index) => {
      pointAppAt(world.blockpass, index % 2 === 0 ? world.gateway.url : other.url);
      return statusOf(app.upload(uploadToken));
    }).finally(() => pointAppAt(world.blockpass, world.gateway.url));
    await other.close();
    // The reply is 403 while the first upload is still in progress.
    expect(outcomes.filter((status) => status !== 200 && status !== 403)).toEqual([]);
    app.enter('email', 'another.address@example.test');
    expect(await app.upload(uploadToken)).toEqual({ nextAction: 'none', message: 'Thank you.' });
    const [record] = await world.gateway.database.query(
      'select submissions from kyc_record where blockpass_id = $1',
      [app.person.id],
    );
    expect(record).toEqual({ submissions: 1 });
  });

  it('expires after fifteen minutes', async () => {
    const app = world.person();
    const uploadToken = await uploadTokenFor(app);
    await world.gateway.database.query(
      "update upload_pass set expires_at = expires_at - interval '15 minutes' where blockpass_id = $1",
      [app.person.id],
    );
    expect(await statusOf(app.upload(uploadToken))).toBe(403);
  });

  it('stays valid longer than the Blockpass tokens that it came with', async () => {
    const verdicts = async ({ person }: FakeApp) =>
      world.gateway.database.query<{ slug: string; verified: boolean | null }>(
        'select slug, verified from kyc_item i join kyc_record r on r.id = i.record_id where r.blockpass_id = $1 order by slug',
        [person.id],
      );
    const page = await SignInPage.open(world.gateway.browser());
    const { session } = JSON.parse(page.qrText) as { session: string };
    const [newcomer, known] = [world.person(), world.person()];
    await known.open();
    world.blockpass.take(session);
    world.blockpass.rules.tokenLifetime = 2;
    const uploadToken = await newcomer.login(session);
    const again = await known.resubmit(['selfie'], []);
    world.blockpass.rules.tokenLifetime = 3_600;
    await elapse(2_100, 'longer than the tokens of Blockpass live');
    await newcomer.upload(uploadToken);
    expect(await page.state()).toBe('SUCCESS');
    expect(await verdicts(newcomer)).toEqual(
      ['email', 'phone', 'selfie'].map((slug) => ({ slug, verified: true })),
    );
    // The refreshed tokens are stored, since Blockpass may not accept the old ones any more.
    const before = await tokensOf(known);
    await known.upload(again);
    expect(await verdicts(known)).toContainEqual({ slug: 'selfie', verified: true });
    expect(await tokensOf(known)).not.toEqual(before);
  });

  it('cannot be guessed from the record, nor read from the database', async () => {
    const app = world.person();
    await app.open();
    const [record] = await world.gateway.database.query<{ id: string }>(
      'select id from kyc_record where blockpass_id = $1',
      [app.person.id],
    );
    await uploadTokenFor(world.person());
    const [stored] = await world.gateway.database.query<{ hash: Buffer }>('select hash from upload_pass');
    for (const accessToken of [
      `ugly-pass-for-record:${record?.id}`,
      record?.id ?? '',
      stored?.hash.toString('base64url') ?? '',
      '',
    ]) {
      expect(
        await statusOf(app.upload({ nextAction: 'upload', accessToken, requiredFields: ['email'] })),
      ).toBe(403);
    }
  });

  it('of one person cannot store anything in the record of another, whatever app sends it', async () => {
    const [ada, grace] = [world.person(), world.person()];
    await grace.open();
    const ofGrace = () =>
      world.gateway.database.query(
        `select to_jsonb(r), to_jsonb(i) from kyc_record r join kyc_item i on i.record_id = r.id
         where r.blockpass_id = $1 order by i.slug`,
        [grace.person.id],
      );
    const before = await ofGrace();
    const uploadToken = await uploadTokenFor(ada);
    await grace.upload(uploadToken);
    expect(await ofGrace()).toEqual(before);
    const owners = await world.gateway.database.query<{ n: string }>(
      `select count(*) as n from kyc_record r join kyc_item i on i.record_id = r.id where r.blockpass_id = $1`,
      [ada.person.id],
    );
    expect(Number(owners[0]?.n)).toBe(3);
    // The value that grace sent for ada is not in ada's tree, so it cannot be approved.
    const doubtful = await world.gateway.database.query<{ verified: boolean | null }>(
      'select verified from kyc_item i join kyc_record r on r.id = i.record_id where r.blockpass_id = $1',
      [ada.person.id],
    );
    expect(doubtful.some(({ verified }) => verified === false)).toBe(true);
  });

  it('stores no item that was not requested', async () => {
    const app = world.person();
    const uploadToken = await uploadTokenFor(app);
    await app.upload({
      ...uploadToken,
      requiredFields: ['email', 'selfie', 'passport', 'dob'],
      optionalFields: [],
    });
    const items = await world.gateway.database.query<{ slug: string }>(
      `select slug from kyc_item i join kyc_record r on r.id = i.record_id where r.blockpass_id = $1 order by slug`,
      [app.person.id],
    );
    expect(items.map(({ slug }) => slug)).toEqual(['email', 'selfie']);
  });
});

describe('the record', () => {
  it('says what is missing after a partial upload, and requests only that', async () => {
    const app = world.person();
    const uploadToken = await app.register();
    await app.upload({ ...uploadToken, requiredFields: ['email'], optionalFields: [] });
    const status = await app.status(null);
    expect(status).toMatchObject({ status: 'waiting', allowResubmit: true });
    expect(status.identities).toEqual([
      { slug: 'email', status: 'received', comment: '' },
      { slug: 'selfie', status: 'missing', comment: '' },
    ]);
    expect(await app.register()).toMatchObject({ nextAction: 'upload', requiredFields: ['selfie'] });
  });

  it('names missing or rejected items in its message, and otherwise waits for a review', async () => {
    const app = world.person();
    const message = async () => (await app.status(null)).message;
    await app.upload({ ...(await app.register()), requiredFields: ['email'], optionalFields: [] });
    expect(await message()).toBe('Still needed: selfie.');
    await app.follow(await app.register());
    expect(await message()).toBe('Waiting for a review.');
    await world.gateway.database.query(
      `update kyc_item i set status = 'REJECTED' from kyc_record r
       where r.id = i.record_id and i.slug = 'email' and r.blockpass_id = $1`,
      [app.person.id],
    );
    expect(await message()).toBe('Still needed: email.');
    await world.gateway.database.query("update kyc_record set status = 'APPROVED' where blockpass_id = $1", [
      app.person.id,
    ]);
    expect(await message()).toBe('Your data was approved. Still needed: email.');
  });

  it('does not change while a reviewer has it in review', async () => {
    const app = world.person();
    await app.open();
    const uploadToken = await app.resubmit(['selfie'], []);
    await world.gateway.database.query("update kyc_record set status = 'IN_REVIEW' where blockpass_id = $1", [
      app.person.id,
    ]);
    expect(await statusOf(app.upload(uploadToken))).toBe(409);
    expect(await app.resubmit(['selfie'], [])).toMatchObject({ nextAction: 'none' });
    expect(await app.register()).toMatchObject({ nextAction: 'none' });
  });

  it('keeps the tokens of the latest app call, even when an older upload token is used later', async () => {
    const app = world.person();
    await app.open();
    const uploadTokens = [await app.resubmit(['selfie'], []), await app.resubmit(['selfie'], [])];
    await app.status(null);
    const latest = await tokensOf(app);
    expect(await statusOf(app.upload(uploadTokens[0] as NextAction))).toBe(200);
    expect(await tokensOf(app)).toEqual(latest);
    await world.gateway.database.query("update kyc_record set status = 'IN_REVIEW' where blockpass_id = $1", [
      app.person.id,
    ]);
    expect(await statusOf(app.upload(uploadTokens[1] as NextAction))).toBe(409);
    expect(await tokensOf(app)).toEqual(latest);
  });

  it('no longer requires items that the service has dropped, even when they were rejected', async () => {
    const app = world.person();
    await app.open();
    await world.gateway.database.query(
      `update kyc_item i set status = 'REJECTED' from kyc_record r
       where r.id = i.record_id and i.slug = 'phone' and r.blockpass_id = $1`,
      [app.person.id],
    );
    expect(await app.register()).toMatchObject({ nextAction: 'upload', requiredFields: ['phone'] });
    const other = await world.gateway.another({ BLOCKPASS_OPTIONAL_FIELDS: '' });
    pointAppAt(world.blockpass, other.url);
    try {
      app.enter('selfie', picture());
      const { identities } = await app.open();
      expect(identities.map(({ slug }) => slug)).toEqual(['email', 'selfie']);
      expect(app.log.at(-1)).toMatchObject({ call: 'upload', answer: { nextAction: 'none' } });
      expect(await app.register()).toMatchObject({ nextAction: 'none' });
    } finally {
      pointAppAt(world.blockpass, world.gateway.url);
      await other.close();
    }
  });

  it('can be resubmitted only for slugs of this service and by known people', async () => {
    const app = world.person();
    expect(await statusOf(app.resubmit(['selfie'], []))).toBe(404);
    await app.open();
    expect(await statusOf(app.resubmit(['iris_scan'], []))).toBe(400);
    expect(await statusOf(app.resubmit([], ['selfie']))).toBe(400);
    expect((await post('resubmit', { code: app.code(null), fieldList: ['selfie'] })).status).toBe(400);
    expect(await app.resubmit([], [])).toMatchObject({ nextAction: 'none' });
  });
});

describe('the record of an account that is deleted', () => {
  const linked = async () => {
    const app = world.person();
    const page = await SignInPage.open(world.gateway.browser());
    await app.scan(page.qrText);
    const { id } = await page.signedIn();
    return { app, id };
  };
  const left = async ({ person }: FakeApp) =>
    world.gateway.database.query(
      `select blockpass_id from kyc_record where blockpass_id = $1
       union all select blockpass_id from upload_pass where blockpass_id = $1`,
      [person.id],
    );

  it('is not created again by an upload that waits for the deletion, and the two do not deadlock', async () => {
    const { app, id } = await linked();
    const uploadToken = await app.resubmit(['selfie'], []);
    await world.gateway.database.query("update kyc_record set status = 'APPROVED' where user_id = $1", [id]);
    const deletion = await world.gateway.database.connect();
    await deletion.query('begin');
    await deletion.query('select from users where id = $1 for update', [id]);
    const upload = statusOf(app.upload(uploadToken));
    await eventually(world.gateway.database.lockWaiters, (count) => count > 0);
    await deletion.query('delete from kyc_record where user_id = $1', [id]);
    await deletion.query('commit');
    await deletion.end();
    expect(await upload).toBe(404);
    expect(await left(app)).toEqual([]);
  });

  it('leaves no upload token, even when one is issued at the same moment', async () => {
    const { app, id } = await linked();
    const deletion = await world.gateway.database.connect();
    await deletion.query('begin');
    await deletion.query('delete from kyc_record where user_id = $1', [id]);
    const asking = statusOf(app.resubmit(['selfie'], []));
    await eventually(world.gateway.database.lockWaiters, (count) => count > 0);
    await deletion.query('commit');
    await deletion.end();
    expect(await asking).toBe(404);
    expect(await left(app)).toEqual([]);
  });
});

describe('a Blockpass that fails', () => {
  it.each([500, 'hang', 'huge', 'cut', 'redirect'] as const)(
    'gives 503 within six seconds when it answers %s at the handshake, and other operations still work',
    async (trouble) => {
      world.blockpass.trouble.set('handshake', trouble);
      const before = await records();
      const began = performance.now();
      const calls = Promise.all([post('status', { code: 'x' }), post('login', { code: 'x' })]);
      const subject = await world.gateway.aSubject();
      await subject.signedIn();
      const [status, login] = await calls;
      expect([status.status, login.status, status.body.err]).toEqual([503, 503, 503]);
      expect(performance.now() - began).toBeLessThan(6_000);
      expect(await records()).toBe(before);
    },
  );

  it('fails the sign-in when it refuses to complete the session, and the reply to the upload says so', async () => {
    const page = await SignInPage.open(world.gateway.browser());
    const app = world.person();
    world.blockpass.trouble.set('complete', 409);
    await app.scan(page.qrText);
    expect(app.log.at(-1)).toEqual({
      call: 'upload',
      answer: {
        nextAction: 'none',
        message: 'Thank you. Your data is stored, but the sign-in failed: scan a new QR code.',
      },
    });
    expect(await page.state()).toBe('FAILED');
    expect((await page.complete()).code).toBe('INVALID_TOKEN');
    world.blockpass.trouble.clear();
    const again = await SignInPage.open(world.gateway.browser());
    await app.scan(again.qrText);
    await again.signedIn();
  });

  it('leaves an upload stored, but not yet vouched for, when it refuses to prove values', async () => {
    world.blockpass.trouble.set('proofs', 'cut');
    const app = world.person();
    await app.open();
    const items = await world.gateway.database.query<{ verified: boolean | null }>(
      'select verified from kyc_item i join kyc_record r on r.id = i.record_id where r.blockpass_id = $1',
      [app.person.id],
    );
    expect(items.map(({ verified }) => verified)).toEqual([null, null, null]);
  });

  it('answers a page that starts a sign-in with SERVICE_UNAVAILABLE', async () => {
    world.blockpass.trouble.set('session', 'hang');
    const began = performance.now();
    const reply = await world.gateway.client.raw('mutation { startBlockpassSignIn { id } }');
    expect([reply.status, reply.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
    expect(performance.now() - began).toBeLessThan(6_000);
  });
});
