import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { picture } from '../../examples/blockpass-fakes/index.ts';
import {
  type BlockpassWorld,
  issuerKey,
  SignInPage,
  startBlockpassWorld,
  subscriptionClient,
} from '../support/blockpass.ts';
import type { Reply } from '../support/client.ts';
import {
  ApproveKycDocument,
  DecideKycDocument,
  KycRecordsDocument,
  type KycRecordsQuery,
  MeDocument,
  MyKycRecordDocument,
  StartKycReviewDocument,
} from '../support/generated/operations.ts';
import { eventually } from '../support/race.ts';

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld({ BLOCKPASS_SIGNING_KEY: issuerKey.walletImportFormat });
});
afterAll(() => world.close());

const openPage = () => SignInPage.open(world.gateway.browser());

describe('a person with the Blockpass app', () => {
  it('is signed in through the subscription at the first scan, and gets an account', async () => {
    const socket = subscriptionClient(world.gateway.url);
    const page = await openPage();
    const { promise: isFollowed, resolve: onState } = Promise.withResolvers<unknown>();
    const states = page.follow(socket, page.secret, onState);
    await isFollowed;
    const app = world.person('Ada Lovelace');
    const status = await app.scan(page.qrText);
    expect(status).toMatchObject({
      status: 'notFound',
      identities: [
        { slug: 'email', status: '' },
        { slug: 'selfie', status: '' },
      ],
      certificates: [],
    });
    expect(app.log.map(({ call }) => call)).toEqual(['status', 'login', 'upload']);
    const seen = await states;
    expect([seen[0], seen.at(-1)]).toEqual(['CREATED', 'SUCCESS']);
    const { accessToken } = await page.signedIn();
    const { data } = await world.gateway.client.execute(MeDocument, {}, { bearer: accessToken });
    expect(data?.me).toMatchObject({
      username: expect.stringMatching(/^member-/),
      email: null,
      emailConfirmed: false,
    });
    expect(decodeJwt(accessToken)).toMatchObject({ amr: ['blockpass'], aal: 1, kyc: 'WAITING' });
    await socket.dispose();
  });

  it('is signed in to the same account later, by polling where WebSockets are blocked', async () => {
    const app = world.person();
    const first = await openPage();
    await app.scan(first.qrText);
    const { id } = await first.signedIn();
    const second = await openPage();
    expect(await second.state()).toBe('CREATED');
    await app.scan(second.qrText);
    expect(app.log.map(({ call }) => call)).toEqual(['status', 'login', 'upload', 'status']);
    await eventually(
      () => second.state(),
      (state) => state === 'SUCCESS',
    );
    expect((await second.signedIn()).id).toBe(id);
  });

  it('is asked again for rejected items, and then waits for a review again', async () => {
    const bearer = await world.reviewer();
    const app = world.person();
    const page = await openPage();
    await app.scan(page.qrText);
    const own = await page.signedIn();
    const recordId = await recordOf(own.accessToken);
    await world.gateway.client.execute(StartKycReviewDocument, { recordId }, { bearer });
    const comment = 'The photo is too dark';
    const decided = await world.gateway.client.execute(
      DecideKycDocument,
      {
        recordId,
        decisions: [
          { slug: 'email', approve: true },
          { slug: 'selfie', approve: false, comment },
        ],
        message: 'Please take a new selfie',
      },
      { bearer },
    );
    expect(decided.data?.decideKyc).toMatchObject({ status: 'WAITING', message: 'Please take a new selfie' });
    expect(world.blockpass.notices.at(-1)).toMatchObject({
      person: app.person.id,
      message: 'Please take a new selfie',
    });

    app.enter('selfie', picture());
    const status = await app.open();
    expect(status).toMatchObject({
      status: 'waiting',
      message: 'Please take a new selfie',
      allowResubmit: true,
      identities: [
        { slug: 'email', status: 'approved' },
        { slug: 'selfie', status: 'rejected', comment },
      ],
    });
    expect(app.log.slice(-3).map(({ call }) => call)).toEqual(['status', 'resubmit', 'upload']);
    expect(app.log.at(-2)?.answer).toMatchObject({ requiredFields: ['selfie'], certs: [] });
    const after = await app.status(null);
    expect(after.identities).toEqual([
      { slug: 'email', status: 'approved', comment: '' },
      { slug: 'selfie', status: 'received', comment: '' },
    ]);
  });

  it('can register in the app without a website, and sign in later', async () => {
    const app = world.person();
    await app.open();
    expect(app.log.map(({ call }) => call)).toEqual(['status', 'register', 'upload']);
    expect(await app.register()).toMatchObject({ nextAction: 'none' });
    const page = await openPage();
    await app.scan(page.qrText);
    await page.signedIn();
  });

  it('is approved with a certificate that Blockpass countersigns, and tokens then say so', async () => {
    const bearer = await world.reviewer();
    const app = world.person();
    const page = await openPage();
    await app.scan(page.qrText);
    const own = await page.signedIn();
    const recordId = await recordOf(own.accessToken);
    await world.gateway.client.execute(StartKycReviewDocument, { recordId }, { bearer });
    expect(await app.status(null)).toMatchObject({ status: 'inreview', allowResubmit: false });
    const { data } = await world.gateway.client.execute(
      ApproveKycDocument,
      { recordId, message: 'Welcome' },
      { bearer },
    );
    expect(data?.approveKyc).toMatchObject({ status: 'APPROVED', message: 'Welcome' });
    const issued = world.blockpass.issued.find(({ person }) => person === app.person.id);
    expect(issued?.document).toMatchObject({
      Organization: { identifier: 'developer_service', legalName: 'Gatehouse' },
      Claim: { reviewBody: 'Welcome' },
    });
    expect([issued?.document.signature].flat()).toHaveLength(2);
    expect(await app.status(null)).toMatchObject({
      status: 'approved',
      message: 'Welcome',
      allowResubmit: true,
    });
    const again = await openPage();
    await app.scan(again.qrText);
    const { accessToken } = await again.signedIn();
    expect(decodeJwt(accessToken).kyc).toBe('APPROVED');
  });

  it('can renew a document after the approval: only that document waits for a review', async () => {
    const bearer = await world.reviewer();
    const app = world.person();
    const page = await openPage();
    await app.scan(page.qrText);
    const own = await page.signedIn();
    const recordId = await recordOf(own.accessToken);
    const review = async () => {
      await world.gateway.client.execute(StartKycReviewDocument, { recordId }, { bearer });
      return world.gateway.client.execute(ApproveKycDocument, { recordId }, { bearer });
    };
    await review();
    const claim = async () => {
      const next = await openPage();
      await app.scan(next.qrText);
      return decodeJwt((await next.signedIn()).accessToken).kyc;
    };
    expect(await claim()).toBe('APPROVED');
    // Neither call can request the document, so the person names it in the app.
    expect(await app.register()).toMatchObject({ nextAction: 'none' });
    const pass = await app.resubmit(['selfie'], []);
    expect(pass).toMatchObject({ nextAction: 'upload', requiredFields: ['selfie'] });
    // A request for the upload token changes nothing yet.
    expect(await claim()).toBe('APPROVED');

    app.enter('selfie', picture());
    await app.open();
    expect(app.log.slice(-3).map(({ call }) => call)).toEqual(['status', 'resubmit', 'upload']);
    expect(await app.status(null)).toMatchObject({
      status: 'waiting',
      message: 'Waiting for a review.',
      identities: [
        { slug: 'email', status: 'approved' },
        { slug: 'selfie', status: 'received' },
      ],
    });
    expect(await claim()).toBe('WAITING');
    expect((await review()).data?.approveKyc.status).toBe('APPROVED');
    expect(await claim()).toBe('APPROVED');
  });

  it('is listed for reviewers, page by page', async () => {
    const bearer = await world.reviewer();
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const { data }: Reply<KycRecordsQuery> = await world.gateway.client.execute(
        KycRecordsDocument,
        { first: 2, after },
        { bearer },
      );
      seen.push(...(data?.kycRecords.nodes.map(({ id }) => id) ?? []));
      after = data?.kycRecords.pageInfo.hasNextPage ? (data.kycRecords.pageInfo.endCursor ?? null) : null;
    } while (after !== null);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThanOrEqual(5);
    const { data } = await world.gateway.client.execute(KycRecordsDocument, { first: null }, { bearer });
    expect(data?.kycRecords.nodes.map(({ id }) => id)).toEqual(seen.slice(0, 20));
  });
});

async function recordOf(bearer: string): Promise<string> {
  const { data, text } = await world.gateway.client.execute(MyKycRecordDocument, {}, { bearer });
  if (!data?.myKycRecord) throw new Error(text);
  return data.myKycRecord.id;
}
