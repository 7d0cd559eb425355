import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type FakeBlockpass, MerkleTree, Person } from '../../../examples/blockpass-fakes/index.ts';
import { BlockpassApi, BlockpassAway, BlockpassRefused } from '../../../src/blockpass/api/index.ts';
import { bitcoinKey, fieldHash, isInTree, issueCertificate } from '../../../src/blockpass/protocol/index.ts';
import { startBlockpass } from '../../support/blockpass.ts';
import { TestClock } from '../../support/clock.ts';
import { FIELDS, ROOT } from '../protocol/vectors.ts';

let blockpass: FakeBlockpass;
let api: BlockpassApi;
/** A client with a short deadline, so that a test need not wait. */
let hasty: BlockpassApi;
let clock: TestClock;
const ada = new Person('Ada Lovelace');
const deadline = 600;

beforeAll(async () => {
  blockpass = await startBlockpass();
  clock = new TestClock();
  const credentials = { clientId: 'developer_service', clientSecret: 'developer_service' };
  api = new BlockpassApi({ baseUrl: blockpass.url, ...credentials }, clock);
  hasty = new BlockpassApi({ baseUrl: blockpass.url, ...credentials, deadline }, clock);
  blockpass.join(ada);
});
afterAll(() => blockpass.stop());
beforeEach(() => {
  blockpass.trouble.clear();
  blockpass.calls.length = 0;
});

const tokens = () => api.handshake(blockpass.authorize(ada, null), null);

describe('the Blockpass API', () => {
  it('identifies the person by the code that the app got', async () => {
    expect(await api.profile(await tokens())).toEqual({
      id: ada.id,
      rootHash: ada.tree.root,
      isSynching: false,
    });
  });

  it('refuses a code that is unknown or was made for another session', async () => {
    await expect(api.handshake('ac_guessed', null)).rejects.toThrow(BlockpassRefused);
    const session = await api.createSession();
    await expect(api.handshake(blockpass.authorize(ada, session), null)).rejects.toThrow(BlockpassRefused);
  });

  it('says in seconds how long a token set is valid, and refreshes it', async () => {
    const first = await tokens();
    expect(first.expiresAt).toBeGreaterThan(clock.now() + 3_590_000);
    expect(api.isStale(first)).toBe(false);
    expect(api.isStale({ ...first, expiresAt: clock.now() + 5_000 })).toBe(true);
    const second = await api.refresh(first);
    expect(await api.profile(second)).toMatchObject({ id: ada.id });
    await expect(api.profile(first)).rejects.toThrow(BlockpassRefused);
  });

  it('proves which values are in the tree', async () => {
    const slugs = ['family_name', 'selfie', 'no_such_field'];
    const proofs = await api.proofs(await tokens(), slugs);
    expect([...proofs.keys()]).toEqual(['family_name', 'selfie']);
    for (const [slug, proof] of proofs) {
      expect(isInTree(fieldHash(ada.fields.get(slug) ?? ''), proof, ada.tree.root)).toBe(true);
    }
  });

  it('accepts a certificate that is signed by the key it knows', async () => {
    const key = bitcoinKey(createHash('sha256').update('blockpass-fake-issuer-key').digest());
    const facts = {
      slug: 'demo-service-cert',
      baseUrl: blockpass.url,
      fields: new Map([...ada.fields].map(([slug, value]) => [slug, fieldHash(value)])),
      rootHash: ada.tree.root,
      organization: { identifier: 'developer_service' },
      review: { summary: 'checked', details: 'level-1' },
    };
    const certificate = await issueCertificate(facts, key, await api.schema('demo-service-cert'), new Date());
    await api.putCertificate(await tokens(), certificate);
    expect(blockpass.issued.at(-1)).toMatchObject({ person: ada.id });
    const strange = { ...certificate, Claim: { ...certificate.Claim, reviewBody: 'forged' } };
    await expect(api.putCertificate(await tokens(), strange)).rejects.toThrow(BlockpassRefused);
  });

  it('lists the kinds of certificates that a service issues, by slug or by schema', async () => {
    blockpass.kinds.set('developer_service', ['demo-service-cert', `${blockpass.url}/api/schema/other-cert`]);
    const asked = ['demo-service-cert', 'other-cert', 'onfido-service-cert', 'cert'];
    expect(await Promise.all(asked.map((slug) => api.isIssuer('developer_service', slug)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(await api.isIssuer('no_such_service', 'demo-service-cert')).toBe(false);
  });

  it('completes the session of a QR code without a secret that another reader of the code could use', async () => {
    const session = await api.createSession();
    blockpass.take(session);
    expect(await api.isSessionCompleted(session)).toBe(false);
    const tokens = await api.handshake(blockpass.authorize(ada, session), session);
    await api.completeSession(tokens, session, 'the-id-of-the-sign-in');
    expect(blockpass.sessions.get(session)).toMatchObject({
      status: 'success',
      extraData: {
        session_Code: session,
        sessionData: session,
        extraData: { signInId: 'the-id-of-the-sign-in' },
      },
    });
    expect(await api.isSessionCompleted(session)).toBe(true);
    expect(await api.isSessionCompleted('no-such-session')).toBe(false);
  });
});

describe('a Blockpass that fails', () => {
  it.each([500, 503, 429, 'hang', 'huge', 'redirect', 'nonsense', 'cut'] as const)(
    'counts as unavailable when it answers with %s, within the deadline and bounded memory',
    async (trouble) => {
      const good = await tokens();
      blockpass.trouble.set('profile', trouble).set('handshake', trouble);
      const before = process.memoryUsage.rss();
      const began = performance.now();
      await expect(hasty.profile(good)).rejects.toThrow(BlockpassAway);
      await expect(hasty.handshake('ac_x', null)).rejects.toThrow(BlockpassAway);
      expect(performance.now() - began).toBeLessThan(2 * deadline + 500);
      expect(process.memoryUsage.rss() - before).toBeLessThan(32 * 1024 * 1024);
    },
  );

  it('gets a second request only for calls that change nothing', async () => {
    const good = await tokens();
    blockpass.calls.length = 0;
    for (const call of ['profile', 'handshake', 'refresh', 'complete', 'notice', 'certificate'] as const) {
      blockpass.trouble.set(call, 500);
    }
    await expect(api.profile(good)).rejects.toThrow(BlockpassAway);
    await expect(api.handshake('ac_x', null)).rejects.toThrow(BlockpassAway);
    await expect(api.refresh(good)).rejects.toThrow(BlockpassAway);
    await expect(api.completeSession(good, 's', null)).rejects.toThrow(BlockpassAway);
    await expect(api.notify(good, 'a', 'b')).rejects.toThrow(BlockpassAway);
    expect(blockpass.calls).toEqual(['profile', 'profile', 'handshake', 'refresh', 'complete', 'notice']);
  });

  it('puts no tokens or codes into the errors of the client', async () => {
    blockpass.trouble.set('profile', 'cut');
    const error = await api.profile({ accessToken: 'sesame', refreshToken: 'r', expiresAt: 0 }).catch(String);
    expect(JSON.stringify(error)).not.toContain('sesame');
  });
});

describe('the fake Blockpass', () => {
  it('completes a session only when it gets JSON inside a string', async () => {
    const session = await api.createSession();
    blockpass.take(session);
    const { accessToken } = await api.handshake(blockpass.authorize(ada, session), session);
    const complete = async (customData: unknown) => {
      const response = await fetch(`${blockpass.url}/api/v0.3/service/complete/`, {
        method: 'POST',
        headers: { authorization: accessToken },
        body: JSON.stringify({ result: 'success', custom_data: customData }),
      });
      return response.status;
    };
    for (const nothing of ['not json', '1', '', undefined, { session_Code: session }]) {
      expect([nothing, await complete(nothing)]).toEqual([nothing, 400]);
    }
    expect(await complete('{}')).toBe(200);
  });

  it('says which fields of a service are files', async () => {
    const response = await fetch(`${blockpass.url}/api/v0.3/service/clientId/developer_service`);
    const { requirement } = (await response.json()) as { requirement: { slug: string; cat: string }[] };
    const files = requirement.filter(({ cat }) => cat === 'file').map(({ slug }) => slug);
    expect(files).toEqual(['passport', 'selfie', 'proof_of_address']);
  });

  it('builds the tree of the worked example', () => {
    expect(new MerkleTree(new Map(Object.entries(FIELDS))).root).toBe(ROOT);
  });
});
