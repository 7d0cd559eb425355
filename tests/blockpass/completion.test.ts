import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeApp, type NextAction, Person, ServiceError } from '../../examples/blockpass-fakes/index.ts';
import {
  type BlockpassWorld,
  pointAppAt,
  SignInPage,
  startBlockpass,
  startBlockpassWorld,
} from '../support/blockpass.ts';
import { Client } from '../support/client.ts';
import { createTestDatabase } from '../support/database.ts';
import { newSecrets } from '../support/gateway.ts';
import { DeleteAccountDocument } from '../support/generated/operations.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';
import { eventually } from '../support/race.ts';

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  world.blockpass.trouble.clear();
  world.blockpass.calls.length = 0;
});

const sessionOf = ({ qrText }: SignInPage) => (JSON.parse(qrText) as { session: string }).session;
const completions = () => world.blockpass.calls.filter((call) => call === 'complete').length;
const statusOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 200,
    (error: unknown) => (error instanceof ServiceError ? error.status : error),
  );
const waiting = () => world.gateway.database.query('select session_code from blockpass_completion');
/** Makes the next attempt due, so that a test need not wait for the delay. */
const hurry = () => world.gateway.database.query('update blockpass_completion set due_at = now()');
const succeeds = async (page: SignInPage) => {
  await hurry();
  await eventually(
    () => page.state(),
    (state) => state === 'SUCCESS',
    { withinMilliseconds: 20_000 },
  );
};
const submissions = async ({ person }: FakeApp) => {
  const [row] = await world.gateway.database.query<{ submissions: number }>(
    'select submissions from kyc_record where blockpass_id = $1',
    [person.id],
  );
  return row?.submissions ?? 0;
};

/** A person who has scanned the QR code of a page and holds an upload token. */
async function scanned(): Promise<{ page: SignInPage; app: FakeApp; pass: NextAction; session: string }> {
  const page = await SignInPage.open(world.gateway.browser());
  const session = sessionOf(page);
  const app = world.person();
  world.blockpass.take(session);
  await app.status(session);
  return { page, app, pass: await app.login(session), session };
}

describe('an upload while Blockpass does not accept the completion of its session', () => {
  it.each([503, 'cut', 'lost'] as const)(
    'is acknowledged (%s), and the page continues without further action',
    async (trouble) => {
      const { page, app, pass, session } = await scanned();
      world.blockpass.trouble.set('complete', trouble);
      expect(await app.upload(pass)).toEqual({ nextAction: 'none', message: 'Thank you.' });
      expect(await page.state()).toBe('PROCESSING');
      expect(await app.status(null)).toMatchObject({ status: 'waiting', message: 'Waiting for a review.' });
      world.blockpass.trouble.clear();
      await succeeds(page);
      expect(world.blockpass.sessions.get(session)).toMatchObject({ status: 'success' });
      expect(await waiting()).toEqual([]);
      await page.signedIn();
    },
  );

  it('is acknowledged again when the app repeats it with the used token, and is stored once', async () => {
    const { page, app, pass } = await scanned();
    world.blockpass.trouble.set('complete', 503);
    await app.upload(pass);
    const repeated = [await app.upload(pass), await app.upload(pass)];
    expect(repeated.map(({ nextAction }) => nextAction)).toEqual(['none', 'none']);
    expect(await submissions(app)).toBe(1);
    // The repetition starts no second attempt beside the first.
    expect(completions()).toBe(1);
    world.blockpass.trouble.clear();
    await succeeds(page);
    await world.gateway.database.query("update upload_receipt set expires_at = now() - interval '1 second'");
    expect(await statusOf(app.upload(pass))).toBe(403);
  });

  it('is reported to Blockpass once by two processes that both have the job', async () => {
    const other = await world.gateway.another();
    try {
      world.blockpass.trouble.set('complete', 503);
      const pages: SignInPage[] = [];
      for (let count = 0; count < 4; count += 1) {
        const { page, app, pass } = await scanned();
        await app.upload(pass);
        pages.push(page);
      }
      world.blockpass.trouble.clear();
      world.blockpass.calls.length = 0;
      await hurry();
      for (const page of pages) {
        // When Blockpass refused an attempt a moment ago, its delay follows first.
        await eventually(
          () => page.state(),
          (state) => state === 'SUCCESS',
          { withinMilliseconds: 40_000 },
        );
      }
      expect(completions()).toBe(4);
    } finally {
      await other.close();
    }
  });

  it('is reported with renewed tokens when Blockpass refuses the old ones', async () => {
    const { page, app, pass } = await scanned();
    world.blockpass.trouble.set('complete', 503);
    await app.upload(pass);
    world.blockpass.refuseTokens();
    world.blockpass.trouble.clear();
    await succeeds(page);
  });

  it('is not reported after the sign-in has expired', async () => {
    const { app, pass } = await scanned();
    world.blockpass.trouble.set('complete', 503);
    await app.upload(pass);
    await world.gateway.database.query(
      "update blockpass_completion set created_at = now() - interval '15 minutes', due_at = now()",
    );
    const before = completions();
    // The same worker completes a later job, so it has passed over the expired one.
    const later = await scanned();
    world.blockpass.trouble.clear();
    await later.app.upload(later.pass);
    expect(completions()).toBe(before + 1);
    world.blockpass.calls.length = 0;
    await world.gateway.database.query('delete from blockpass_completion');
  });

  it('leaves no data when its account is deleted meanwhile', async () => {
    const app = world.person();
    const first = await SignInPage.open(world.gateway.browser());
    await app.scan(first.qrText);
    const { accessToken } = await first.signedIn();
    world.blockpass.trouble.set('complete', 503);
    const second = await SignInPage.open(world.gateway.browser());
    await app.scan(second.qrText);
    expect(await waiting()).toHaveLength(1);
    const { code } = await world.gateway.client.execute(DeleteAccountDocument, {}, { bearer: accessToken });
    expect(code).toBeUndefined();
    expect(await waiting()).toEqual([]);
  });
});

describe('a known person who scans while Blockpass does not accept completions', () => {
  it('gets their status, and is signed in a moment later', async () => {
    const app = world.person();
    await app.open();
    for (const call of ['status', 'login'] as const) {
      const page = await SignInPage.open(world.gateway.browser());
      const session = sessionOf(page);
      world.blockpass.take(session);
      world.blockpass.trouble.set('complete', 503);
      await app[call](session);
      expect(await page.state()).toBe('PROCESSING');
      // The app calls again meanwhile.
      expect(await app.status(session)).toMatchObject({ status: 'waiting' });
      world.blockpass.trouble.clear();
      await succeeds(page);
    }
  });

  it('is told to scan again when Blockpass refuses', async () => {
    const app = world.person();
    await app.open();
    const page = await SignInPage.open(world.gateway.browser());
    world.blockpass.trouble.set('complete', 409);
    const error = await app.scan(page.qrText).catch((refused: ServiceError) => refused);
    expect(error).toMatchObject({
      status: 409,
      body: { err: 409, msg: 'Blockpass did not accept this sign-in. Scan a new QR code.' },
    });
    expect(await page.state()).toBe('FAILED');
  });
});

it('a completion sends the id of the sign-in to the page, and no secret', async () => {
  const { page, app, pass, session } = await scanned();
  await app.upload(pass);
  expect(world.blockpass.sessions.get(session)?.extraData).toEqual({
    session_Code: session,
    sessionData: session,
    extraData: { signInId: page.id },
  });
});

describe('a gateway that is killed while it calls Blockpass', () => {
  afterEach(() => GatehouseProcess.killAll());

  it.each([
    { what: 'before Blockpass receives the call', trouble: 'hang', heard: false },
    { what: 'before it gets the answer', trouble: 'lost', heard: true },
  ] as const)(
    'loses nothing when it dies $what: the next start calls Blockpass, and the repeated upload is acknowledged',
    async ({ trouble, heard }) => {
      const database = await createTestDatabase();
      const blockpass = await startBlockpass();
      const settings = {
        NODE_ENV: 'test',
        PUBLIC_URL: 'http://localhost:4000',
        DATABASE_URL: database.servingUrl,
        DATABASE_MIGRATION_URL: database.ownerUrl,
        BLOCKPASS_BASE_URL: blockpass.url,
        RATE_LIMIT: 'off',
        PORT: await freePort(),
        ...newSecrets(),
      };
      const url = `http://127.0.0.1:${settings.PORT}`;
      pointAppAt(blockpass, url);
      try {
        const killed = await GatehouseProcess.start(settings);
        const page = await SignInPage.open(new Client(url));
        const app = new FakeApp(blockpass, new Person('Ada Lovelace'));
        const session = sessionOf(page);
        blockpass.take(session);
        const pass = await app.login(session);
        blockpass.trouble.set('complete', trouble);
        const upload = app.upload(pass).catch(() => undefined);
        await eventually(async () => blockpass.calls.includes('complete'), Boolean);
        killed.kill('SIGKILL');
        await killed.ended;
        await upload;
        blockpass.trouble.clear();
        expect(blockpass.sessions.get(session)?.status).toBe(heard ? 'success' : 'processing');

        await GatehouseProcess.start(settings);
        // Ends the lease of the dead process.
        await database.query('update blockpass_completion set due_at = now()');
        // When Blockpass refused an attempt a moment ago, its delay follows first.
        await eventually(
          () => page.state(),
          (state) => state === 'SUCCESS',
          { withinMilliseconds: 40_000 },
        );
        expect(await app.upload(pass)).toMatchObject({ nextAction: 'none' });
        await page.signedIn();
      } finally {
        await GatehouseProcess.killAll();
        await blockpass.stop();
        await database.drop();
      }
    },
    90_000,
  );
});
