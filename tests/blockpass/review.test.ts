import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import {
  type CertificateDocument,
  type FakeApp,
  hash,
  picture,
  SigningKey,
} from '../../examples/blockpass-fakes/index.ts';
import {
  type BlockpassWorld,
  grantReview,
  issuerKey,
  pointAppAt,
  SignInPage,
  signedInReviewer,
  startBlockpassWorld,
} from '../support/blockpass.ts';
import {
  ApproveKycDocument,
  DecideKycDocument,
  KycRecordDocument,
  MyKycRecordDocument,
  StartKycReviewDocument,
} from '../support/generated/operations.ts';
import { eventually, race } from '../support/race.ts';
import { enrol } from '../support/second-factor.ts';

let world: BlockpassWorld;
let bearer: string;
const onfido = new SigningKey('onfido-key');
beforeAll(async () => {
  world = await startBlockpassWorld({ BLOCKPASS_SIGNING_KEY: issuerKey.walletImportFormat });
  world.blockpass.issuers.set(onfido.address, 'onfido_service');
  world.blockpass.kinds.set('onfido_service', ['onfido-service-cert']);
  bearer = await world.reviewer();
});
afterAll(() => world.close());
beforeEach(() => world.blockpass.trouble.clear());

const client = () => world.gateway.client;
const recordIdOf = async (app: FakeApp): Promise<string> => {
  const [row] = await world.gateway.database.query<{ id: string }>(
    'select id from kyc_record where blockpass_id = $1',
    [app.person.id],
  );
  return row?.id ?? '';
};
/** A person who has uploaded everything, without a website. */
async function aRecord(
  prepare: (app: FakeApp) => unknown = () => {},
): Promise<{ app: FakeApp; recordId: string }> {
  const app = world.person();
  await prepare(app);
  await app.open();
  return { app, recordId: await recordIdOf(app) };
}
const start = (recordId: string, by = bearer) =>
  client().execute(StartKycReviewDocument, { recordId }, { bearer: by });
const approve = (recordId: string, by = bearer) =>
  client().execute(ApproveKycDocument, { recordId }, { bearer: by });
const decide = (
  recordId: string,
  decisions: { slug: string; approve: boolean; comment?: string }[],
  by = bearer,
) => client().execute(DecideKycDocument, { recordId, decisions }, { bearer: by });

describe('records of others', () => {
  it('are visible only with kyc:review', async () => {
    const { recordId } = await aRecord();
    const { accessToken } = await (await world.gateway.aSubject()).signedIn();
    for (const reply of [
      await client().execute(KycRecordDocument, { id: recordId }, { bearer: accessToken }),
      await start(recordId, accessToken),
      await decide(recordId, [{ slug: 'email', approve: true }], accessToken),
      await approve(recordId, accessToken),
    ]) {
      expect(reply.code).toBe('FORBIDDEN');
    }
    expect((await client().execute(KycRecordDocument, { id: recordId }, {})).code).toBe('UNAUTHENTICATED');
  });

  it('show values and files to reviewers, and to their owner only the status', async () => {
    const page = await SignInPage.open(world.gateway.browser());
    const app = world.person('Ada Lovelace');
    await app.scan(page.qrText);
    const own = await page.signedIn();
    const mine = await client().execute(MyKycRecordDocument, {}, { bearer: own.accessToken });
    const record = mine.data?.myKycRecord;
    expect(record?.identities).toEqual([
      expect.objectContaining({
        slug: 'email',
        status: 'RECEIVED',
        value: null,
        fileUrl: null,
        verified: true,
      }),
      expect.objectContaining({ slug: 'selfie', status: 'RECEIVED', value: null, fileUrl: null }),
    ]);
    const { data } = await client().execute(KycRecordDocument, { id: record?.id ?? '' }, { bearer });
    expect(data?.kycRecord).toMatchObject({ user: { id: own.id, kycStatus: 'WAITING' } });
    const looks = await world.gateway.database.query(
      "select from audit_event where action = 'account.read' and subject_id = $1",
      [own.id],
    );
    expect(looks).toHaveLength(1);
    expect(data?.kycRecord?.identities).toEqual([
      expect.objectContaining({ slug: 'email', value: 'ada.lovelace@example.test', fileUrl: null }),
      expect.objectContaining({ slug: 'selfie', value: null, contentType: 'image/png' }),
    ]);
  });
});

describe('values of a record', () => {
  const read = (recordId: string) =>
    world.gateway.database.query<{ subject_id: string | null }>(
      "select subject_id from audit_event where action = 'kyc.values_read' and details->>'recordId' = $1",
      [recordId],
    );

  it('are audited once for each record and read by a reviewer', async () => {
    const { recordId } = await aRecord();
    const { recordId: other } = await aRecord();
    const query = `query ($id: ID!, $other: ID!) {
      kycRecord(id: $id) { identities { slug value again: value } }
      other: kycRecord(id: $other) { identities { value } } }`;
    const reply = await client().raw(query, { id: recordId, other }, { bearer });
    expect(JSON.stringify(reply.data)).toContain('@example.test');
    expect(await read(recordId)).toHaveLength(1);
    expect(await read(other)).toHaveLength(1);
    await client().raw(
      'query ($id: ID!) { kycRecord(id: $id) { status identities { slug } } }',
      { id: other },
      { bearer },
    );
    expect(await read(other)).toHaveLength(1);
    await client().raw(query, { id: recordId, other }, { bearer });
    expect(await read(recordId)).toHaveLength(2);
  });

  it('need the same session level as the operations of reviewers', async () => {
    const reviewer = await world.gateway.aSubject();
    await grantReview(world.gateway, reviewer.id);
    const { tokens, accessTokenOfLevel1 } = await enrol(world.gateway, reviewer);
    const { recordId } = await aRecord();
    await world.gateway.database.query('update kyc_record set user_id = $1 where id = $2', [
      reviewer.id,
      recordId,
    ]);
    const values = async (token: string) => {
      const { data } = await client().execute(MyKycRecordDocument, {}, { bearer: token });
      return data?.myKycRecord?.identities.map(({ value, fileUrl }) => value ?? fileUrl);
    };
    expect(await values(accessTokenOfLevel1)).toEqual([null, null]);
    expect(await read(recordId)).toEqual([]);
    expect(await values(tokens.accessToken)).toEqual([expect.any(String), expect.any(String)]);
    expect(await read(recordId)).toEqual([{ subject_id: reviewer.id }]);
  });
});

describe('a file', () => {
  const pixelsOf = (bytes: Uint8Array | undefined) => sharp(bytes).raw().toBuffer();
  const download = async (recordId: string, path = 'identity/selfie', by: string | null = bearer) =>
    fetch(`${world.gateway.url}/kyc/files/${recordId}/${path}`, {
      headers: by === null ? {} : { authorization: `Bearer ${by}` },
    });

  it('is downloaded as an attachment, and the download is audited', async () => {
    const { app, recordId } = await aRecord();
    const { data } = await client().execute(KycRecordDocument, { id: recordId }, { bearer });
    const url = data?.kycRecord?.identities.find(({ slug }) => slug === 'selfie')?.fileUrl;
    expect(url).toBe(`http://localhost:4000/kyc/files/${recordId}/identity/selfie`);
    const response = await download(recordId);
    expect(response.status).toBe(200);
    // The uploaded picture in its new encoding (pictures.test.ts).
    expect(await pixelsOf(Buffer.from(await response.arrayBuffer()))).toEqual(
      await pixelsOf(app.person.fields.get('selfie')),
    );
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-disposition': `attachment; filename="${recordId}-selfie.png"`,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    const events = await world.gateway.database.query(
      "select details from audit_event where action = 'kyc.file_downloaded' and details->>'recordId' = $1",
      [recordId],
    );
    expect(events).toEqual([{ details: { recordId, kind: 'IDENTITY', slug: 'selfie' } }]);
  });

  it('is only for reviewers, and a file that does not exist is answered with 404', async () => {
    const { recordId } = await aRecord();
    const curious = await world.gateway.aSubject();
    const { accessToken } = await curious.signedIn();
    expect((await download(recordId, 'identity/selfie', null)).status).toBe(401);
    expect((await download(recordId, 'identity/selfie', accessToken)).status).toBe(403);
    const denied = await world.gateway.database.query(
      "select details, outcome from audit_event where action = 'operation.denied' and actor_id = $1",
      [curious.id],
    );
    const operation = 'GET /kyc/files/:recordId/:kind/:slug';
    expect(denied).toEqual([{ details: { operation }, outcome: 'DENIED' }]);
    for (const path of [
      'identity/email',
      'identity/passport',
      'certificate/selfie',
      'x/selfie',
      'identity/%00',
      'identity/..%2f..',
    ]) {
      expect([path, (await download(recordId, path)).status]).toEqual([path, 404]);
    }
    expect((await download('no-such-record')).status).toBe(404);
  });
});

describe('a review', () => {
  it('is started by one of many reviewers who try at once', async () => {
    const { recordId } = await aRecord();
    const others = await Promise.all([world.reviewer(), world.reviewer(), world.reviewer()]);
    const replies = await race(12, (index) => start(recordId, [bearer, ...others][index % 4]));
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'CONFLICT')).toHaveLength(11);
  });

  it('can be decided only by the reviewer who started it, with a reason for every rejection', async () => {
    const { recordId } = await aRecord();
    const other = await world.reviewer();
    expect((await decide(recordId, [{ slug: 'email', approve: true }])).code).toBe('CONFLICT');
    await start(recordId);
    expect((await decide(recordId, [{ slug: 'email', approve: true }], other)).code).toBe('CONFLICT');
    expect((await approve(recordId, other)).code).toBe('CONFLICT');
    expect((await decide(recordId, [{ slug: 'selfie', approve: false }])).code).toBe('BAD_USER_INPUT');
    expect((await decide(recordId, [])).code).toBe('BAD_USER_INPUT');
    expect((await decide(recordId, [{ slug: 'passport', approve: true }])).code).toBe('CONFLICT');
    for (const slug of ['\u0000', 'x'.repeat(5_000), 'e mail']) {
      expect((await decide(recordId, [{ slug, approve: true }])).code).toBe('BAD_USER_INPUT');
    }
    const twice = [1, 2].map(() => ({ slug: 'email', approve: true }));
    expect((await decide(recordId, twice)).code).toBe('BAD_USER_INPUT');
    const { data } = await decide(recordId, [{ slug: 'email', approve: true }]);
    expect(data?.decideKyc).toMatchObject({ status: 'IN_REVIEW' });
  });

  it('is refused to a reviewer for their own record', async () => {
    const reviewer = await world.gateway.aSubject();
    const accessToken = await signedInReviewer(world.gateway, reviewer);
    const { recordId } = await aRecord();
    await start(recordId, accessToken);
    await world.gateway.database.query('update kyc_record set user_id = $1 where id = $2', [
      reviewer.id,
      recordId,
    ]);
    expect((await decide(recordId, [{ slug: 'email', approve: true }], accessToken)).code).toBe('FORBIDDEN');
    expect((await approve(recordId, accessToken)).code).toBe('FORBIDDEN');
    await world.gateway.database.query("update kyc_record set status = 'WAITING' where id = $1", [recordId]);
    expect((await start(recordId, accessToken)).code).toBe('FORBIDDEN');
  });

  it('is void when the reviewer links the record to their own account afterwards', async () => {
    const reviewer = await world.gateway.aSubject();
    const accessToken = await signedInReviewer(world.gateway, reviewer);
    const { app, recordId } = await aRecord();
    await start(recordId, accessToken);
    expect((await approve(recordId, accessToken)).data?.approveKyc.status).toBe('APPROVED');
    const page = await SignInPage.open(world.gateway.browser(), accessToken);
    await app.scan(page.qrText);
    expect((await page.signedIn({ bearer: accessToken })).id).toBe(reviewer.id);
    expect((await app.status(null)).status).toBe('waiting');
    expect((await start(recordId, accessToken)).code).toBe('FORBIDDEN');
    await start(recordId);
    expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
  });

  it('does not start while the reviewer links the record to their own account', async () => {
    const reviewer = await world.gateway.aSubject();
    const accessToken = await signedInReviewer(world.gateway, reviewer);
    const { recordId } = await aRecord();
    const linking = await world.gateway.database.connect();
    await linking.query('begin');
    await linking.query('update kyc_record set user_id = $1 where id = $2', [reviewer.id, recordId]);
    const starting = start(recordId, accessToken);
    await eventually(world.gateway.database.lockWaiters, (count) => count > 0);
    await linking.query('commit');
    await linking.end();
    expect((await starting).code).toBe('CONFLICT');
  });

  it('can be taken over by another reviewer after a day without a change', async () => {
    const { recordId } = await aRecord();
    const other = await world.reviewer();
    await start(recordId);
    const age = (interval: string) =>
      world.gateway.database.query('update kyc_record set updated_at = now() - $2::interval where id = $1', [
        recordId,
        interval,
      ]);
    await age('23 hours');
    expect((await start(recordId, other)).code).toBe('CONFLICT');
    await age('25 hours');
    expect((await start(recordId, other)).data?.startKycReview.status).toBe('IN_REVIEW');
    expect((await approve(recordId)).code).toBe('CONFLICT');
    expect((await approve(recordId, other)).data?.approveKyc.status).toBe('APPROVED');
  });

  it('does not approve when its claim expired during the approval, even when another reviewer has the claim now', async () => {
    const { recordId } = await aRecord();
    await start(recordId);
    // Another reviewer gets the claim while Blockpass countersigns.
    const { countersigner } = world.blockpass;
    const sign = countersigner.sign.bind(countersigner);
    countersigner.sign = async (...document) => {
      await world.gateway.database.query(
        "update kyc_record set approval_until = now() + interval '1 hour' where id = $1",
        [recordId],
      );
      return sign(...document);
    };
    const { code } = await approve(recordId);
    countersigner.sign = sign;
    expect(code).toBe('CONFLICT');
    const [record] = await world.gateway.database.query(
      'select status, approval_until is not null as claimed from kyc_record where id = $1',
      [recordId],
    );
    expect(record).toEqual({ status: 'IN_REVIEW', claimed: true });
  });

  it('shows the state after each mutation of a document', async () => {
    const { recordId } = await aRecord();
    const document = `mutation ($id: ID!) {
      startKycReview(recordId: $id) { identities { slug status } }
      decideKyc(recordId: $id, decisions: [{ slug: "email", approve: true }]) { identities { slug status } } }`;
    const { data } = await client().raw(document, { id: recordId }, { bearer });
    expect(data).toMatchObject({
      startKycReview: { identities: [{ status: 'RECEIVED' }, { status: 'RECEIVED' }] },
      decideKyc: { identities: [{ status: 'APPROVED' }, { status: 'RECEIVED' }] },
    });
  });

  it('takes one of several concurrent decisions', async () => {
    const { recordId } = await aRecord();
    await start(recordId);
    const replies = await race(6, (index) =>
      decide(recordId, [{ slug: 'selfie', approve: false, comment: `reason ${index}` }]),
    );
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'CONFLICT')).toHaveLength(5);
  });

  it('keeps its result when the notice to the phone fails', async () => {
    const { app, recordId } = await aRecord();
    await start(recordId);
    world.blockpass.trouble.set('notice', 'cut');
    const { data } = await decide(recordId, [{ slug: 'selfie', approve: false, comment: 'too dark' }]);
    expect(data?.decideKyc.status).toBe('WAITING');
    expect(await app.status(null)).toMatchObject({
      identities: [{}, { status: 'rejected', comment: 'too dark' }],
    });
  });

  it("cannot approve an item that is missing, rejected, or not in the person's tree", async () => {
    const partial = world.person();
    await partial.upload({ ...(await partial.register()), requiredFields: ['email'] });
    const partialId = await recordIdOf(partial);
    await start(partialId);
    expect((await approve(partialId)).errors[0]?.message).toBe('Missing or rejected: selfie.');

    // The app sends a value that Blockpass does not know.
    const forged = world.person();
    const pass = await forged.register();
    const form = new FormData();
    form.append('accessToken', pass.accessToken ?? '');
    form.append('email', 'somebody.else@example.test');
    form.append('selfie', new Blob([new Uint8Array(picture())]), 'selfie.png');
    await fetch(world.blockpass.service.endpoints.upload, { method: 'POST', body: form });
    const forgedId = await recordIdOf(forged);
    const { data } = await start(forgedId);
    expect(data?.startKycReview.identities).toEqual([
      expect.objectContaining({ slug: 'email', verified: false }),
      expect.objectContaining({ slug: 'selfie', verified: false }),
    ]);
    expect((await decide(forgedId, [{ slug: 'email', approve: true }])).code).toBe('CONFLICT');
    expect((await approve(forgedId)).errors[0]?.message).toMatch(/does not vouch for: email, selfie/);
    expect(world.blockpass.issued.some(({ person }) => person === forged.person.id)).toBe(false);
  });

  it('requests evidence again that Blockpass did not have at the upload', async () => {
    const { app, recordId } = await aRecord(({ person }) => {
      person.isSynching = true;
    });
    const { data } = await start(recordId);
    expect(data?.startKycReview.identities.map(({ verified }) => verified)).toEqual([null, null]);
    const refused = await approve(recordId);
    expect([refused.code, refused.errors[0]?.message]).toEqual([
      'CONFLICT',
      'Blockpass does not know yet whether it vouches for: email, selfie. Try again in a minute.',
    ]);
    app.person.isSynching = false;
    expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
  });

  const verdicts = async (recordId: string) => {
    const { data } = await start(recordId);
    return data?.startKycReview.identities.map(({ slug, verified }) => [slug, verified]);
  };

  it('requests evidence again for items that the latest upload did not contain, since the tree may have changed', async () => {
    const { app, recordId } = await aRecord();
    app.enter('email', 'another.address@example.test');
    await app.follow(await app.resubmit(['selfie'], []));
    expect(await verdicts(recordId)).toEqual([
      ['email', false],
      ['selfie', true],
    ]);
    expect((await approve(recordId)).code).toBe('CONFLICT');
    expect(world.blockpass.issued.some(({ person }) => person === app.person.id)).toBe(false);
  });

  it('vouches only for values of one tree, even when that changed after the latest upload', async () => {
    const { app, recordId } = await aRecord();
    app.enter('email', 'second.address@example.test');
    await app.follow(await app.resubmit(['email'], []));
    app.enter('email', 'third.address@example.test');
    expect(await verdicts(recordId)).toEqual([
      ['email', false],
      ['selfie', true],
    ]);
  });

  it('can approve when a rejected item is no longer required, and certifies the other items', async () => {
    const { app, recordId } = await aRecord();
    await start(recordId);
    await decide(recordId, [{ slug: 'selfie', approve: false, comment: 'too dark' }]);
    await start(recordId);
    expect((await approve(recordId)).errors[0]?.message).toBe('Missing or rejected: selfie.');
    const other = await world.gateway.another({ BLOCKPASS_REQUIRED_FIELDS: 'email' });
    const reply = await other.client.execute(ApproveKycDocument, { recordId }, { bearer });
    await other.close();
    expect(reply.data?.approveKyc.status).toBe('APPROVED');
    const issued = world.blockpass.issued.find(({ person }) => person === app.person.id);
    expect(Object.keys(issued?.document.Entity as object)).toEqual(['email', 'rootHash', 'type']);
  });

  it('issues one certificate for eight concurrent approvals', async () => {
    const { app, recordId } = await aRecord();
    await start(recordId);
    const replies = await race(8, () => approve(recordId));
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
    const issued = world.blockpass.issued.filter(({ person }) => person === app.person.id);
    expect(issued).toHaveLength(1);
    expect(issued[0]?.document.Entity).toEqual({
      email: hash(app.person.fields.get('email') ?? ''),
      selfie: hash(app.person.fields.get('selfie') ?? ''),
      rootHash: hash(app.person.tree.root),
      type: 'person',
    });
  });

  it('names the field for which the certificate schema has no term, and does not approve', async () => {
    const BLOCKPASS_REQUIRED_FIELDS = 'email,selfie_national_id';
    const other = await world.gateway.another({ BLOCKPASS_REQUIRED_FIELDS });
    pointAppAt(world.blockpass, other.url);
    const app = world.person();
    app.enter('selfie_national_id', picture());
    const form = new FormData();
    form.append('accessToken', (await app.register()).accessToken ?? '');
    form.append('email', Buffer.from(app.person.fields.get('email') ?? []).toString());
    const file = new Uint8Array(app.person.fields.get('selfie_national_id') ?? []);
    form.append('selfie_national_id', new Blob([file]), 'selfie.png');
    await fetch(world.blockpass.service.endpoints.upload, { method: 'POST', body: form });
    pointAppAt(world.blockpass, world.gateway.url);
    const recordId = await recordIdOf(app);
    await other.client.execute(StartKycReviewDocument, { recordId }, { bearer });
    const { code, errors } = await other.client.execute(ApproveKycDocument, { recordId }, { bearer });
    await other.close();
    expect([code, errors[0]?.message]).toEqual([
      'CONFLICT',
      expect.stringContaining('invalid property selfieNationalId'),
    ]);
    expect(world.blockpass.issued.some(({ person }) => person === app.person.id)).toBe(false);
  });

  it('does not approve until Blockpass accepts the certificate', async () => {
    const { recordId } = await aRecord();
    await start(recordId);
    for (const trouble of [500, 400, 'cut'] as const) {
      for (const call of ['certificate', 'schema'] as const) {
        world.blockpass.trouble.clear();
        world.blockpass.trouble.set(call, trouble);
        expect([call, (await approve(recordId)).code]).toEqual([call, 'SERVICE_UNAVAILABLE']);
      }
    }
    world.blockpass.trouble.clear();
    expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
    expect((await start(recordId)).code).toBe('CONFLICT');
  });

  it('refreshes expired tokens, and stores the new ones', async () => {
    world.blockpass.rules.tokenLifetime = 120;
    const { app, recordId } = await aRecord();
    await start(recordId);
    world.gateway.clock.advance(120);
    expect(
      (await decide(recordId, [{ slug: 'selfie', approve: false, comment: 'blurred' }])).code,
    ).toBeUndefined();
    expect(world.blockpass.calls.filter((call) => call === 'refresh')).toHaveLength(1);
    expect(world.blockpass.notices.at(-1)).toMatchObject({ person: app.person.id });
    await start(recordId);
    await decide(recordId, [{ slug: 'selfie', approve: false, comment: 'still blurred' }]);
    expect(world.blockpass.calls.filter((call) => call === 'refresh')).toHaveLength(1);
    expect(world.blockpass.notices.filter(({ person }) => person === app.person.id)).toHaveLength(2);
    world.blockpass.rules.tokenLifetime = 3_600;
    world.gateway.clock.advance(-120);
  });

  it('starts anew when the person uploads again after the approval, and their tokens lose the KYC claim', async () => {
    const page = await SignInPage.open(world.gateway.browser());
    const app = world.person();
    await app.scan(page.qrText);
    const { id } = await page.signedIn();
    const recordId = await recordIdOf(app);
    await start(recordId);
    await approve(recordId);
    const again = await SignInPage.open(world.gateway.browser());
    await app.scan(again.qrText);
    const { accessToken } = await again.signedIn();
    await world.gateway.database.query(`delete from kyc_item where record_id = $1 and slug = 'selfie'`, [
      recordId,
    ]);
    await app.follow(await app.register());
    expect((await app.status(null)).status).toBe('waiting');
    const { code } = await client().execute(MyKycRecordDocument, {}, { bearer: accessToken });
    expect(code).toBe('UNAUTHENTICATED');
    expect(id).toBeDefined();
  });
});

describe('a certificate that a person uploads', () => {
  const SLUG = 'onfido-service-cert';
  type Entity = Record<string, string>;
  /** A certificate of Onfido about the named fields of a person. */
  const certificateOf = async (
    { person }: FakeApp,
    fields: Record<string, string>,
    key = onfido,
    identifier = 'onfido_service',
  ): Promise<CertificateDocument & { Entity: Entity }> => {
    const hashes = Object.entries(fields).map(([term, slug]) => [term, hash(person.fields.get(slug) ?? '')]);
    const document = {
      '@context': [
        { '@version': 1.1 },
        `${world.blockpass.url}/api/schema/${SLUG}`,
        'https://w3id.org/security/v2',
      ],
      Entity: { ...Object.fromEntries(hashes), rootHash: hash(person.tree.root), type: 'person' } as Entity,
      Organization: { identifier, legalName: 'Onfido' },
      Claim: { issueDate: '2018-06-10T09:30:00.000Z', reviewBody: 'clear', _customFields: 'clear' },
    };
    return { ...document, signature: await key.sign(document, '2018-06-10T09:30:01Z') };
  };
  const give = ({ person, consents }: FakeApp, document: CertificateDocument) => {
    person.certificates.set(SLUG, JSON.stringify(document));
    consents.add(SLUG);
  };
  /** The verification results that a reviewer sees. */
  const verdict = async (recordId: string) => {
    const { data } = await start(recordId);
    return data?.startKycReview.certificates.map(({ slug, verified }) => [slug, verified]);
  };

  it('is verified when its issuer signed it and its values match the upload', async () => {
    const { app, recordId } = await aRecord(async (who) =>
      give(who, await certificateOf(who, { email: 'email' })),
    );
    expect((await app.status(null)).certificates).toEqual([{ slug: SLUG, status: 'received', comment: '' }]);
    expect(await verdict(recordId)).toEqual([[SLUG, true]]);
    expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
    expect((await app.status(null)).certificates).toEqual([{ slug: SLUG, status: 'approved', comment: '' }]);
  });

  it('is not verified when one of its terms was changed', async () => {
    const { recordId } = await aRecord(async (who) => {
      const document = await certificateOf(who, { email: 'email' });
      give(who, { ...document, Claim: { ...(document.Claim as object), _customFields: 'consider' } });
    });
    expect(await verdict(recordId)).toEqual([[SLUG, false]]);
  });

  it('is not verified when its issuer is registered for another service', async () => {
    const shop = new SigningKey('shop-key');
    world.blockpass.issuers.set(shop.address, 'some_shop');
    const { recordId } = await aRecord(async (who) =>
      give(who, await certificateOf(who, { email: 'email' }, shop, 'some_shop')),
    );
    expect(await verdict(recordId)).toEqual([[SLUG, false]]);
  });

  it('is not verified when it is about another person, and unknown when it is uploaded without values', async () => {
    const stolen = await certificateOf(world.person(), { email: 'email' });
    const { recordId } = await aRecord((who) => give(who, stolen));
    expect(await verdict(recordId)).toEqual([[SLUG, false]]);

    const later = await aRecord();
    give(later.app, stolen);
    await later.app.follow(await later.app.resubmit([], [SLUG]));
    expect(await verdict(later.recordId)).toEqual([[SLUG, false]]);

    const bare = world.person();
    give(bare, stolen);
    await bare.upload({ ...(await bare.register()), requiredFields: [], optionalFields: [] });
    expect(await verdict(await recordIdOf(bare))).toEqual([[SLUG, null]]);
  });

  it('is no longer verified when a value other than the certified one is uploaded', async () => {
    const { app, recordId } = await aRecord(async (who) =>
      give(who, await certificateOf(who, { email: 'email' })),
    );
    expect(await verdict(recordId)).toEqual([[SLUG, true]]);
    await decide(recordId, [{ slug: 'email', approve: false, comment: 'Is this yours?' }]);
    app.enter('email', 'another.address@example.test');
    await app.open();
    expect(await verdict(recordId)).toEqual([[SLUG, false]]);
  });

  it('stays unknown while it names values that were not uploaded, even when a hash was moved to another name', async () => {
    const named = { familyName: 'family_name', dob: 'dob' };
    const other = await certificateOf(world.person(), named);
    const { recordId } = await aRecord((who) => give(who, other));
    expect(await verdict(recordId)).toEqual([[SLUG, null]]);

    const stolen = await certificateOf(world.person(), { email: 'email' });
    const { email = '', ...Entity } = stolen.Entity;
    const moved = await aRecord((who) => give(who, { ...stolen, Entity: { ...Entity, phone: email } }));
    expect(await verdict(moved.recordId)).toEqual([[SLUG, null]]);
  });

  it('of the old format, which is unsigned, stays unknown unless it names another value', async () => {
    const oldCertificate = ({ person }: FakeApp, email = person.fields.get('email') ?? '') => ({
      '@type': 'Person',
      '@did': `bp:${person.id}`,
      service: { name: 'Onfido' },
      email: hash(email),
      given_name: hash(person.fields.get('given_name') ?? ''),
      onfido_report: { result: 'clear' },
    });
    const { recordId } = await aRecord((who) => give(who, oldCertificate(who)));
    expect(await verdict(recordId)).toEqual([[SLUG, null]]);
    const stolen = await aRecord((who) => give(who, oldCertificate(who, 'somebody.else@example.test')));
    expect(await verdict(stolen.recordId)).toEqual([[SLUG, false]]);
    // A certificate of the current format does not become an old one by losing its signature.
    const stripped = await aRecord(async (who) => {
      const { signature: _, ...document } = await certificateOf(who, { email: 'email' });
      give(who, document);
    });
    expect(await verdict(stripped.recordId)).toEqual([[SLUG, false]]);
  });

  it('of an unregistered service allows an approval only when acceptUnverified names it', async () => {
    const shop = new SigningKey('unregistered-shop-key');
    const { app, recordId } = await aRecord(async (who) =>
      give(who, await certificateOf(who, { email: 'email' }, shop, 'unregistered_shop')),
    );
    expect(await verdict(recordId)).toEqual([[SLUG, false]]);
    const refused = await approve(recordId);
    expect([refused.code, refused.errors[0]?.message]).toEqual([
      'CONFLICT',
      `Blockpass does not vouch for the certificate: ${SLUG}. Reject it, or name it in acceptUnverified.`,
    ]);
    expect(world.blockpass.issued.some(({ person }) => person === app.person.id)).toBe(false);
    const accepting = (acceptUnverified: string[]) =>
      client().execute(ApproveKycDocument, { recordId, acceptUnverified }, { bearer });
    expect((await accepting(['e mail'])).errors[0]?.extensions).toMatchObject({
      fields: [{ field: 'acceptUnverified' }],
    });
    expect((await accepting(['other-service-cert'])).errors[0]?.message).toBe(
      'other-service-cert is not a certificate of this record.',
    );
    const { data } = await accepting([SLUG]);
    expect(data?.approveKyc).toMatchObject({
      status: 'APPROVED',
      certificates: [{ slug: SLUG, status: 'APPROVED', verified: false }],
    });
    const events = await world.gateway.database.query(
      "select details from audit_event where action = 'kyc.approved' and details->>'recordId' = $1",
      [recordId],
    );
    expect(events).toEqual([{ details: expect.objectContaining({ acceptedUnverified: [SLUG] }) }]);
  });

  it('may be named in acceptUnverified, but a field may not', async () => {
    const { app, recordId } = await aRecord();
    app.enter('email', 'another.address@example.test');
    await app.follow(await app.resubmit(['selfie'], []));
    await start(recordId);
    const { errors } = await client().execute(
      ApproveKycDocument,
      { recordId, acceptUnverified: ['email'] },
      { bearer },
    );
    expect(errors[0]?.message).toBe('email is not a certificate of this record.');
  });

  it('blocks the approval when it turns out to be forged after a reviewer approved it', async () => {
    const { recordId } = await aRecord(async (who) => {
      const document = await certificateOf(who, { email: 'email' });
      give(who, { ...document, Claim: { ...(document.Claim as object), _customFields: 'consider' } });
    });
    world.blockpass.trouble.set('schema', 500);
    expect(await verdict(recordId)).toEqual([[SLUG, null]]);
    const about = (approves: boolean) =>
      client().execute(
        DecideKycDocument,
        {
          recordId,
          decisions: [{ kind: 'CERTIFICATE', slug: SLUG, approve: approves, comment: 'This is forged.' }],
        },
        { bearer },
      );
    expect((await about(true)).code).toBeUndefined();
    world.blockpass.trouble.clear();
    expect((await approve(recordId)).errors[0]?.message).toMatch(
      /does not vouch for the certificate: onfido-service-cert/,
    );
    expect((await about(false)).code).toBeUndefined();
    await start(recordId);
    expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
  });

  it('does not prevent the start of a review while Blockpass hangs longer than the operation deadline', async () => {
    world.blockpass.trouble.set('proofs', 500).set('schema', 500);
    const { recordId } = await aRecord(async (who) =>
      give(who, await certificateOf(who, { email: 'email' })),
    );
    world.blockpass.trouble.set('profile', 'hang').set('schema', 'hang');
    const { data } = await start(recordId);
    expect(data?.startKycReview.status).toBe('IN_REVIEW');
    world.blockpass.trouble.clear();
    expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
  });

  it('is still approved when the approval takes longer than the operation deadline because Blockpass hangs', async () => {
    world.blockpass.trouble.set('service', 500);
    const { recordId } = await aRecord(async (who) =>
      give(who, await certificateOf(who, { email: 'email' })),
    );
    await start(recordId);
    world.blockpass.trouble.set('service', 'hang').set('notice', 'hang');
    const { data } = await approve(recordId);
    expect(data?.approveKyc.status).toBe('APPROVED');
    expect(data?.approveKyc.certificates).toHaveLength(1);
  });

  it('is not evidence for a value that another person uploaded', async () => {
    const victim = world.person();
    const thief = world.person();
    const pass = await thief.register();
    const form = new FormData();
    form.append('accessToken', pass.accessToken ?? '');
    form.append('email', Buffer.from(victim.person.fields.get('email') ?? []).toString());
    form.append(`[cer]${SLUG}`, JSON.stringify(await certificateOf(victim, { email: 'email' })));
    await fetch(world.blockpass.service.endpoints.upload, { method: 'POST', body: form });
    expect(await verdict(await recordIdOf(thief))).toEqual([[SLUG, null]]);
  });
});
