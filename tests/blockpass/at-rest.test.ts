import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Person } from '../../examples/blockpass-fakes/index.ts';
import { abandonedRecords, BlockpassIdentities, PictureDecoder } from '../../src/blockpass/index.ts';
import { fieldHash } from '../../src/blockpass/protocol/index.ts';
import { SCHEMA } from '../../src/modules.ts';
import { createOrm } from '../../src/platform/database/index.ts';
import { type BlockpassWorld, SignInPage, startBlockpassWorld } from '../support/blockpass.ts';
import {
  DecideKycDocument,
  DeleteAccountDocument,
  ExportMyDataDocument,
  MyKycRecordDocument,
  StartKycReviewDocument,
} from '../support/generated/operations.ts';

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld({
    BLOCKPASS_REQUIRED_FIELDS: 'family_name,given_name,email,phone,address,dob,selfie,passport',
  });
});
afterAll(() => world.close());

/** The selfie of a person as the gateway stores it. */
const encodedAnew = ({ fields }: Person) =>
  new PictureDecoder().encodeAnew(Buffer.from(fields.get('selfie') ?? []));

/** Every column of every table as text, as in a dump. */
async function dump(): Promise<string> {
  const tables = await world.gateway.database.query<{ name: string }>(
    "select format('%I', tablename) as name from pg_tables where schemaname = 'public'",
  );
  const rows = await Promise.all(
    tables.map(({ name }) =>
      world.gateway.database.query<{ row: string }>(
        `select t::text as row, convert_from(convert_to(t::text, 'utf8'), 'utf8') from ${name} t`,
      ),
    ),
  );
  return rows
    .flat()
    .map(({ row }) => row)
    .join('\n');
}

/** The bytes of the database files, with every earlier write in them. */
async function dataFolder(): Promise<Buffer> {
  const { database } = world.gateway;
  await database.querySuperuser('checkpoint');
  const [cluster] = await database.querySuperuser<{ data_directory: string }>('show data_directory');
  const [own] = await database.query<{ oid: string }>(
    'select oid::text from pg_database where datname = current_database()',
  );
  const folder = join(cluster?.data_directory ?? '', 'base', own?.oid ?? '');
  const files = await readdir(folder);
  return Buffer.concat(await Promise.all(files.map((file) => readFile(join(folder, file)))));
}

it('personal data and review comments are unreadable in a dump of the database, in its files and in the log', async () => {
  const page = await SignInPage.open(world.gateway.browser());
  const app = world.person('Ada Lovelace', { email: 'ada.personal@example.test' });
  await app.scan(page.qrText);
  const { accessToken } = await page.signedIn();
  const { data } = await world.gateway.client.execute(MyKycRecordDocument, {}, { bearer: accessToken });
  const recordId = data?.myKycRecord?.id ?? '';
  const bearer = await world.reviewer();
  await world.gateway.client.execute(StartKycReviewDocument, { recordId }, { bearer });
  const decisions = [{ slug: 'selfie', approve: false, comment: 'wears a remarkable hat' }];
  const message = 'Dear Ada, look straight ahead';
  await world.gateway.client.execute(DecideKycDocument, { recordId, decisions, message }, { bearer });
  await app.status(null);

  const text = await dump();
  const log = world.gateway.logLines.join('\n');
  const files = await dataFolder();
  expect(text).toContain(app.person.id);
  expect(files.includes(app.person.id)).toBe(true);
  // Only the values inside JSON, because a dump doubles the quotes within a row.
  const json = ['phone', 'address'].flatMap((slug) =>
    Object.values(JSON.parse(String(app.person.fields.get(slug))) as Record<string, string>),
  );
  expect(json).toEqual(expect.arrayContaining(['+447700900123', 'SW1Y 4JH']));
  const words = [
    'wears a remarkable hat',
    message,
    app.person.tree.root,
    fieldHash(app.person.fields.get('selfie') ?? ''),
    ...json.filter(({ length }) => length > 6),
  ];
  const kept = (await encodedAnew(app.person)) ?? Buffer.alloc(0);
  expect(kept.length).toBeGreaterThan(100);
  for (const value of [...app.person.fields.values(), kept, ...words.map((word) => Buffer.from(word))]) {
    const readable = value.subarray(0, 200);
    for (const form of [
      readable.toString('utf8'),
      readable.toString('hex'),
      readable.toString('base64').slice(0, 40),
    ]) {
      expect(text).not.toContain(form);
      expect(log).not.toContain(form);
      // Three letters occur by chance among the random bytes of any file.
      if (form.length > 6) expect([form, files.includes(form)]).toEqual([form, false]);
    }
  }
});

it('a record without an account is deleted ninety days after its last change, and other records stay with their accounts', async () => {
  const age = (id: string, days: number) =>
    world.gateway.database.query(
      'update kyc_record set created_at = now() - make_interval(days => $2), updated_at = now() - make_interval(days => $2) where blockpass_id = $1',
      [id, days],
    );
  const [old, recent, linked, unlinked] = [world.person(), world.person(), world.person(), world.person()];
  for (const app of [old, recent]) await app.open();
  for (const app of [linked, unlinked]) {
    const page = await SignInPage.open(world.gateway.browser());
    await app.scan(page.qrText);
    await page.signedIn();
  }
  for (const app of [old, linked, unlinked]) await age(app.person.id, 91);
  await age(recent.person.id, 89);
  const [owner] = await world.gateway.database.query<{ user_id: string }>(
    'select user_id from kyc_record where blockpass_id = $1',
    [unlinked.person.id],
  );
  const { servingUrl: url } = world.gateway.database;
  const orm = createOrm({ url, schema: SCHEMA, poolSize: 2 });
  await new BlockpassIdentities().removeFrom(orm.em.fork(), owner?.user_id ?? '');
  expect(await abandonedRecords.sweep(orm.em.fork(), 10)).toBe(1);
  await orm.close();
  const text = await dump();
  expect([old, recent, linked, unlinked].map(({ person }) => text.includes(person.id))).toEqual([
    false,
    true,
    true,
    true,
  ]);
});

it('a record is exported completely for its owner, and deleted with the account', async () => {
  const page = await SignInPage.open(world.gateway.browser());
  const app = world.person('Grace Hopper', { email: 'grace.personal@example.test' });
  await app.scan(page.qrText);
  const { accessToken } = await page.signedIn();
  const { data } = await world.gateway.client.execute(ExportMyDataDocument, {}, { bearer: accessToken });
  expect(data?.exportMyData).toMatchObject({
    kycRecord: {
      status: 'WAITING',
      linkedAt: expect.any(String),
      items: expect.arrayContaining([
        expect.objectContaining({ slug: 'email', content: 'grace.personal@example.test' }),
        expect.objectContaining({
          slug: 'selfie',
          content: (await encodedAnew(app.person))?.toString('base64'),
          receivedHash: fieldHash(app.person.fields.get('selfie') ?? ''),
        }),
      ]),
    },
  });

  const left = async () => (await dump()).includes(app.person.id);
  expect(await left()).toBe(true);
  await world.gateway.database.query(
    `insert into upload_pass (hash, blockpass_id, fields, certificates, sealed_tokens, expires_at)
     select decode(md5($1), 'hex'), $1, '{}', '{}', sealed_tokens, now() + interval '1 hour'
     from kyc_record where blockpass_id = $1`,
    [app.person.id],
  );
  const scanned = await SignInPage.open(world.gateway.browser());
  await world.gateway.database.query(
    "update blockpass_sign_in set state = 'PROCESSING', taken_by = $2 where id = $1",
    [scanned.id, app.person.id],
  );
  const deleted = await world.gateway.client.execute(DeleteAccountDocument, {}, { bearer: accessToken });
  expect(deleted.data).toEqual({ deleteAccount: true });
  expect(await left()).toBe(false);
  const items = await world.gateway.database.query(
    'select from kyc_item where record_id not in (select id from kyc_record)',
  );
  expect(items).toEqual([]);
});
