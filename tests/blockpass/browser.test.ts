import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import jsQR from 'jsqr';
import type { Browser, Page } from 'playwright-core';
import { PNG } from 'pngjs';
import { picture } from '../../examples/blockpass-fakes/index.ts';
import { type BlockpassWorld, issuerKey, startBlockpassWorld } from '../support/blockpass.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import {
  ApproveKycDocument,
  DecideKycDocument,
  StartKycReviewDocument,
} from '../support/generated/operations.ts';

/** A website on another origin. It shows the QR code, waits in the given way, and signs in with its cookie. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>Sign in</title><img id="qr"><p id="who">nobody</p><script>
const [gateway, wait] = location.hash.slice(1).split('&').map(decodeURIComponent);
const ask = async (query, variables = {}) => (await (await fetch(gateway + '/graphql', {
  method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ query, variables }) })).json()).data;
const bySocket = (id) => new Promise((resolve, reject) => {
  const socket = new WebSocket(gateway.replace('http', 'ws') + '/graphql', 'graphql-transport-ws');
  socket.onerror = reject;
  socket.onopen = () => socket.send('{"type":"connection_init"}');
  socket.onmessage = ({ data }) => {
    const { type, payload } = JSON.parse(data);
    const query = 'subscription ($id: ID!) { blockpassSignIn(id: $id) { state } }';
    if (type === 'connection_ack') socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { id } } }));
    if (type === 'next' && payload.data.blockpassSignIn.state === 'SUCCESS') resolve();
  };
});
const byPolling = async (id) => {
  for (;;) {
    const { blockpassSignIn } = await ask('query ($id: ID!) { blockpassSignIn(id: $id) { state } }', { id });
    if (blockpassSignIn.state === 'SUCCESS') return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};
(async () => {
  const { startBlockpassSignIn: started } = await ask('mutation { startBlockpassSignIn { id qrCode } }');
  document.getElementById('qr').src = started.qrCode;
  await (wait === 'polling' ? byPolling : bySocket)(started.id).catch(() => byPolling(started.id));
  await ask('mutation ($id: ID!) { completeBlockpassSignIn(id: $id) { __typename } }', { id: started.id });
  const { me } = await ask('{ me { username kycStatus } }');
  document.getElementById('who').textContent = me.username + ' ' + me.kycStatus;
})();
</script>`;

const whereThereIsOne = hasBrowser ? describe : describe.skip;

whereThereIsOne('a website in a browser', () => {
  let website: Server;
  let world: BlockpassWorld;
  let browser: Browser;
  /** Requests for the state of a sign-in, over HTTP. */
  let polls = 0;

  beforeAll(async () => {
    website = createServer((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE),
    );
    await new Promise<void>((resolve) => website.listen(0, '127.0.0.1', resolve));
    const BLOCKPASS_SIGNING_KEY = issuerKey.walletImportFormat;
    world = await startBlockpassWorld({ CLIENT_ORIGIN: origin(), BLOCKPASS_SIGNING_KEY });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await world?.close();
    website?.close();
  });

  const origin = () => `http://127.0.0.1:${(website.address() as AddressInfo).port}`;
  const open = async (wait: 'subscription' | 'polling'): Promise<Page> => {
    const page = await (await browser.newContext()).newPage();
    page.on('request', (request) => {
      if (request.postData()?.includes('blockpassSignIn(id: $id) { state }')) polls += 1;
    });
    await page.goto(`${origin()}/#${encodeURIComponent(world.gateway.url)}&${wait}`);
    return page;
  };
  /** The text that a camera reads on the screen. */
  const scan = async (page: Page): Promise<string> => {
    await page.waitForFunction('document.getElementById("qr").naturalWidth > 0');
    const { data, width, height } = PNG.sync.read(await page.locator('#qr').screenshot());
    const seen = jsQR.default(new Uint8ClampedArray(data), width, height);
    if (!seen) throw new Error('there is no QR code on the screen');
    return seen.data;
  };
  const who = async (page: Page): Promise<string> => {
    await page.waitForFunction('document.getElementById("who").textContent !== "nobody"');
    return (await page.locator('#who').textContent()) ?? '';
  };

  it('signs in the person who scans the code on the screen, by subscription and by polling', async () => {
    const app = world.person('Ada Lovelace');
    const first = await open('subscription');
    await app.scan(await scan(first));
    const name = await who(first);
    expect(name).toMatch(/^member-\w+ WAITING$/);
    expect(polls).toBe(0);
    const second = await open('polling');
    await app.scan(await scan(second));
    expect(await who(second)).toBe(name);
    expect(polls).toBeGreaterThan(0);
  });

  it('shows the record of a person who registered in the app, was rejected, resubmitted and was approved', async () => {
    const app = world.person();
    await app.open();
    const page = await open('subscription');
    await app.scan(await scan(page));
    const [name] = (await who(page)).split(' ');
    const bearer = await world.reviewer();
    const { client, database } = world.gateway;
    const [{ id: recordId } = { id: '' }] = await database.query<{ id: string }>(
      'select id from kyc_record where blockpass_id = $1',
      [app.person.id],
    );
    await client.execute(StartKycReviewDocument, { recordId }, { bearer });
    const decisions = [{ slug: 'selfie', approve: false, comment: 'The photo is too dark' }];
    await client.execute(DecideKycDocument, { recordId, decisions }, { bearer });
    app.enter('selfie', picture());
    const again = await open('subscription');
    const { identities } = await app.scan(await scan(again));
    expect(identities).toContainEqual({
      slug: 'selfie',
      status: 'rejected',
      comment: 'The photo is too dark',
    });
    expect(app.log.at(-1)).toMatchObject({ call: 'upload', answer: { nextAction: 'none' } });
    expect(await who(again)).toBe(`${name} WAITING`);
    await client.execute(StartKycReviewDocument, { recordId }, { bearer });
    await client.execute(ApproveKycDocument, { recordId }, { bearer });
    expect(world.blockpass.issued.map(({ person }) => person)).toEqual([app.person.id]);
    const last = await open('polling');
    await app.scan(await scan(last));
    expect(await who(last)).toBe(`${name} APPROVED`);
  });

  it('uses polling where WebSockets are blocked', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.routeWebSocket(/.*/, (socket) => socket.close());
    await page.addInitScript(
      'const Native = WebSocket; window.WebSocket = class extends Native { constructor(...a) { super(...a); this.addEventListener("close", () => this.onerror?.(new Event("error"))); } };',
    );
    await page.goto(`${origin()}/#${encodeURIComponent(world.gateway.url)}&subscription`);
    await world.person().scan(await scan(page));
    expect(await who(page)).toMatch(/^member-/);
  });
});
