import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type FakeApp, picture } from '../../examples/blockpass-fakes/index.ts';
import { type BlockpassWorld, SignInPage, startBlockpassWorld } from '../support/blockpass.ts';
import type { TestGateway } from '../support/gateway.ts';
import {
  ApproveKycDocument,
  DecideKycDocument,
  StartKycReviewDocument,
} from '../support/generated/operations.ts';
import { race } from '../support/race.ts';

let world: BlockpassWorld;
let bearer: string;
beforeAll(async () => {
  world = await startBlockpassWorld();
  bearer = await world.reviewer();
});
afterAll(() => world.close());
beforeEach(() => {
  world.blockpass.trouble.clear();
  world.blockpass.calls.length = 0;
});

const renewals = () => world.blockpass.calls.filter((call) => call === 'refresh').length;
const recordIdOf = async ({ person }: FakeApp): Promise<string> => {
  const [row] = await world.gateway.database.query<{ id: string }>(
    'select id from kyc_record where blockpass_id = $1',
    [person.id],
  );
  return row?.id ?? '';
};
const verdicts = ({ person }: FakeApp) =>
  world.gateway.database.query<{ slug: string; verified: boolean | null }>(
    'select slug, verified from kyc_item i join kyc_record r on r.id = i.record_id where r.blockpass_id = $1 order by slug',
    [person.id],
  );
/**
 * A record whose evidence was not available at the upload, so that the review must call Blockpass with the
 * stored tokens.
 */
async function unjudged(): Promise<{ app: FakeApp; recordId: string }> {
  const app = world.person();
  world.blockpass.trouble.set('proofs', 500);
  await app.open();
  world.blockpass.trouble.clear();
  return { app, recordId: await recordIdOf(app) };
}
const start = (recordId: string, at = world.gateway) =>
  at.client.execute(StartKycReviewDocument, { recordId }, { bearer });
const approve = (recordId: string, at = world.gateway) =>
  at.client.execute(ApproveKycDocument, { recordId }, { bearer });

describe('an access token that Blockpass refuses before it expires', () => {
  it('is renewed once, and the call is repeated, so the record is approved', async () => {
    const { app, recordId } = await unjudged();
    world.blockpass.refuseTokens();
    world.blockpass.calls.length = 0;
    expect((await start(recordId)).data?.startKycReview.identities.map(({ verified }) => verified)).toEqual([
      true,
      true,
    ]);
    expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
    expect(renewals()).toBe(1);
    expect(world.blockpass.notices.at(-1)).toMatchObject({ person: app.person.id, title: 'Approved' });
  });

  it('is renewed for the notice of a rejection', async () => {
    const { app, recordId } = await unjudged();
    await start(recordId);
    world.blockpass.refuseTokens();
    const decisions = [{ slug: 'selfie', approve: false, comment: 'too dark' }];
    await world.gateway.client.execute(DecideKycDocument, { recordId, decisions }, { bearer });
    expect(world.blockpass.notices.at(-1)).toMatchObject({ person: app.person.id, title: 'Action needed' });
  });

  it('is renewed for the evidence of an upload and for the completion of its session', async () => {
    const page = await SignInPage.open(world.gateway.browser());
    const { session } = JSON.parse(page.qrText) as { session: string };
    const app = world.person();
    world.blockpass.take(session);
    const pass = await app.login(session);
    world.blockpass.refuseTokens();
    await app.upload(pass);
    expect(await page.state()).toBe('SUCCESS');
    expect(await verdicts(app)).toEqual([
      { slug: 'email', verified: true },
      { slug: 'selfie', verified: true },
    ]);
    expect(renewals()).toBe(1);
    // The record has the renewed tokens.
    await app.follow(await app.resubmit(['selfie'], []));
  });

  it.each(['one process', 'two processes'])(
    'is renewed once by twenty parallel calls in %s',
    async (where) => {
      const other: TestGateway = where === 'one process' ? world.gateway : await world.gateway.another();
      const { recordId } = await unjudged();
      await start(recordId);
      await world.gateway.database.query('update kyc_item set verified = null where record_id = $1', [
        recordId,
      ]);
      world.blockpass.refuseTokens();
      world.blockpass.calls.length = 0;
      const replies = await race(20, (index) =>
        approve(recordId, index % 2 === 0 ? world.gateway : other),
      ).finally(() => (other === world.gateway ? undefined : other.close()));
      expect(renewals()).toBe(1);
      // One approval at a time has the claim. No reply may say that Blockpass does not vouch for a value.
      expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
      const messages = new Set(replies.flatMap(({ errors }) => errors.map(({ message }) => message)));
      expect([...messages]).toEqual(['You are not reviewing this record, or it is being approved now.']);
    },
  );
});

describe('a renewal that Blockpass refuses', () => {
  const onlyThePhone =
    'Blockpass no longer answers for this person. Ask the person to open this service in the Blockpass app, and then try again.';

  it("makes the approval fail with the advice to open the app on the person's phone, which repairs it", async () => {
    const { app, recordId } = await unjudged();
    world.blockpass.refuseTokens();
    world.blockpass.trouble.set('refresh', 401);
    expect((await start(recordId)).data?.startKycReview.status).toBe('IN_REVIEW');
    const refused = await approve(recordId);
    expect([refused.code, refused.errors[0]?.message]).toEqual(['CONFLICT', onlyThePhone]);
    await app.status(null);
    expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
  });

  it('gives all of twenty parallel calls the same error, and most calls share one attempt', async () => {
    const { recordId } = await unjudged();
    await start(recordId);
    await world.gateway.database.query('update kyc_item set verified = null where record_id = $1', [
      recordId,
    ]);
    world.blockpass.refuseTokens();
    world.blockpass.trouble.set('refresh', 401);
    world.blockpass.calls.length = 0;
    const replies = await race(20, () => approve(recordId));
    expect(new Set(replies.map(({ errors }) => errors[0]?.message))).toEqual(new Set([onlyThePhone]));
    expect(renewals()).toBeLessThan(10);
  });

  it('does not prevent an upload from being stored, with unknown values', async () => {
    const { app } = await unjudged();
    app.enter('selfie', picture());
    const pass = await app.resubmit(['selfie'], []);
    world.blockpass.refuseTokens();
    world.blockpass.trouble.set('refresh', 401);
    expect(await app.upload(pass)).toMatchObject({ nextAction: 'none' });
    expect(await verdicts(app)).toContainEqual({ slug: 'selfie', verified: null });
  });
});

it('an approval while Blockpass is unavailable says so, and does not say that a value is not vouched for', async () => {
  const { recordId } = await unjudged();
  await start(recordId);
  await world.gateway.database.query('update kyc_item set verified = null where record_id = $1', [recordId]);
  for (const call of ['profile', 'proofs'] as const) {
    world.blockpass.trouble.clear();
    world.blockpass.trouble.set(call, 503);
    const reply = await approve(recordId);
    expect([call, reply.code, reply.errors[0]?.message]).toEqual([
      call,
      'SERVICE_UNAVAILABLE',
      'Temporarily unavailable. Nothing was changed; try again.',
    ]);
  }
  world.blockpass.trouble.clear();
  expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
});

it('an approval waits for a renewal in another process, but not longer than its lease', async () => {
  const { recordId } = await unjudged();
  await start(recordId);
  await world.gateway.database.query(
    `update kyc_record set renewal_until = now() + interval '4 seconds' where id = $1`,
    [recordId],
  );
  await world.gateway.database.query('update kyc_item set verified = null where record_id = $1', [recordId]);
  world.blockpass.refuseTokens();
  const began = performance.now();
  expect((await approve(recordId)).data?.approveKyc.status).toBe('APPROVED');
  expect(performance.now() - began).toBeGreaterThan(1_000);
});
