/** @topology one: speaks HTTP to one process, and reads its log and health */
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
let production: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
  production = await gateway.another({
    NODE_ENV: 'production',
    PUBLIC_URL: 'https://auth.example.test',
    PASSWORD_BCRYPT_COST: '10',
    RATE_LIMIT: 'on',
  });
});
afterAll(async () => {
  await production.close();
  await gateway.close();
});

const get = (path: string, headers: Record<string, string> = {}, at = gateway) =>
  fetch(`${at.url}${path}`, { headers });

/** fetch does not let a caller set the Host header. */
const getAsHost = (path: string, host: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(`${gateway.url}${path}`, { headers: { host, accept: 'text/html' } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });

/** fetch decompresses the body. This returns the bytes that were sent. */
async function getBytes(
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders; body: Buffer }> {
  const sent = request(`${gateway.url}${path}`, { headers }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}

describe('health', () => {
  it('is live and ready, and lists its parts', async () => {
    expect(await (await get('/health/live')).json()).toEqual({ status: 'live' });
    const ready = await get('/health/ready');
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { status: 'ready', parts: { database: 'up' }, clockOffsetSeconds: expect.any(Number) },
    ]);
  });

  it('is not ready while a migration is missing', async () => {
    await gateway.database.query(`update migration set name = 'x' || name`);
    const ready = await get('/health/ready');
    await gateway.database.query(`update migration set name = substr(name, 2)`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'unavailable', parts: { database: 'away' }, clockOffsetSeconds: expect.any(Number) },
    ]);
  });
});

describe('pages for developers', () => {
  it('include GraphiQL with all its files, without internet access', async () => {
    const page = await get('/graphiql');
    expect(page.headers.get('content-type')).toContain('text/html');
    const html = await page.text();
    expect(html).not.toMatch(/<(script|link)[^>]+(src|href)="https?:/);
    expect(html.length).toBeGreaterThan(1_000_000);
  });

  it.each(['gzip, deflate, br, zstd', 'br;q=1.0, GZIP;q=0.5', 'gzip'])(
    'compress GraphiQL for a browser that accepts %j',
    async (encoding) => {
      const page = await getBytes('/graphiql', { 'accept-encoding': encoding });
      expect(page.headers).toMatchObject({
        'content-encoding': 'gzip',
        vary: expect.stringContaining('ccept-'),
      });
      expect(page.body.length).toBeLessThan(3_000_000);
      expect(gunzipSync(page.body).toString()).toBe(await (await get('/graphiql')).text());
    },
  );

  it.each(['', 'br', 'gzip;q=0, br', 'x-gzip2'])(
    'send GraphiQL uncompressed to a client that accepts %j',
    async (encoding) => {
      const page = await getBytes('/graphiql', { 'accept-encoding': encoding });
      expect(page.headers['content-encoding']).toBeUndefined();
      expect(page.body.toString()).toContain('<html');
    },
  );

  it('answer 304 to a browser that has GraphiQL already', async () => {
    const { headers } = await getBytes('/graphiql', { 'accept-encoding': 'gzip' });
    expect(headers['cache-control']).toBe('no-cache');
    const again = await getBytes('/graphiql', { 'if-none-match': `"other", ${headers.etag}` });
    expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, headers.etag]);
    expect((await getBytes('/graphiql', { 'if-none-match': '"other"' })).status).toBe(200);
  });

  it('serve the Sandbox at /graphql to a browser', async () => {
    const page = await get('/graphql', { accept: 'text/html' });
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Sandbox')]);
  });

  it.each(['/graphiql', '/graphql'])('refuse other hosts and proxies at %s', async (path) => {
    expect(await getAsHost(path, 'evil.test')).toBe(404);
    expect(await getAsHost(path, 'localhost:4000')).toBe(200);
    for (const accept of ['text/html', 'TEXT/HTML', 'text/*', 'text/html;q=0.9, */*;q=0.1']) {
      expect((await get(path, { accept, 'x-forwarded-for': '192.0.2.1' })).status).toBe(404);
    }
  });

  it('are absent in production, as is introspection', async () => {
    expect((await get('/graphiql', {}, production)).status).toBe(404);
    expect(
      (await get('/graphql', { accept: 'text/html' }, production)).headers.get('content-type'),
    ).not.toContain('html');
    const reply = await production.client.raw('{ __schema { types { name } } }');
    expect([reply.status, reply.code]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
    expect((await production.client.raw('{ mee { id } }')).text).not.toContain('Did you mean');
  });
});

describe('security headers', () => {
  it.each(['/graphql?query={__typename}', '/nowhere', '/health/live', '/.well-known/jwks.json'])(
    'of %s are strict',
    async (path) => {
      const { headers } = await get(path, { 'apollo-require-preflight': '1' }, production);
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('strict-transport-security')).toBe('max-age=63072000; includeSubDomains');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-powered-by')).toBeNull();
    },
  );

  it('are also set when no route matches, and when Node refuses the request', async () => {
    const unreadable = await get('/%ff', {}, production);
    const expected = await new Promise<Headers>((resolve, reject) => {
      request(`${production.url}/health/live`, { headers: { expect: 'the-worst' } }, (response) => {
        response.resume();
        resolve(new Headers(response.headers as Record<string, string>));
      })
        .on('error', reject)
        .end();
    });
    for (const headers of [unreadable.headers, expected]) {
      expect(headers.get('strict-transport-security')).toBe('max-age=63072000; includeSubDomains');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    }
  });

  it('keep replies with tokens out of caches', async () => {
    const { headers } = await (await gateway.aSubject()).login();
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('etag')).toBeNull();
  });
});

describe('the request id', () => {
  it("is the client's when that is well-formed", async () => {
    expect(
      (await get('/health/live', { 'x-request-id': 'trace-0123456789' })).headers.get('x-request-id'),
    ).toBe('trace-0123456789');
  });

  it.each([
    'short',
    'has spaces in it',
    'x'.repeat(129),
    'comma,in-the-middle',
    'a"quote"inside',
    '{braces-inside}',
  ])('is generated when the client sent %s', async (id) => {
    expect((await get('/health/live', { 'x-request-id': id })).headers.get('x-request-id')).toMatch(
      /^[0-9a-f-]{36}$/,
    );
  });

  const ROOT = 'Root=1-5759e988-bd862e3fe1be46a994272793';
  it.each([
    ['W3C tracing', 'traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['the balancer of AWS', 'x-amzn-trace-id', ROOT],
    ['two balancers of AWS', 'x-amzn-trace-id', `Self=1-67891234-12456789abcdef012345678;${ROOT}`],
    [
      'AWS Lambda',
      'x-amzn-trace-id',
      `${ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0|68fd508a:5`,
    ],
    ['Google Cloud', 'x-cloud-trace-context', '105445aa7843bc8bf206b12000100000/1;o=1'],
  ])('is taken from %s, and returned in that header and in X-Request-Id', async (_, header, id) => {
    expect((await get('/health/live', { [header]: id })).headers.get('x-request-id')).toBe(id);
    const both = { [header]: 'another-id-0123456789', 'x-request-id': id };
    expect((await get('/health/live', both)).headers.get('x-request-id')).toBe(id);
  });

  it.each([
    [
      'is too long',
      `Self=1-67891234-12456789abcdef012345678;${ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0|68fd508a:5|c512fbe3:2`,
    ],
    ['has spaces', `${ROOT}; Parent=53995c3f42cd8ad8; Sampled=1`],
  ])('is only the root of an AWS trace that %s', async (_, trace) => {
    const { headers } = await get('/health/live', { 'x-amzn-trace-id': trace });
    expect(headers.get('x-request-id')).toBe(ROOT);
  });

  describe('with REQUIRE_REQUEST_ID', () => {
    let strict: TestGateway;
    beforeAll(async () => {
      strict = await gateway.another({
        REQUIRE_REQUEST_ID: 'true',
        CLIENT_ORIGIN: 'http://app.localhost:3000',
      });
    });
    afterAll(() => strict.close());
    const ask = async (headers: Record<string, string>) =>
      (await strict.client.raw('{ __typename }', {}, { headers })).status;

    it('is required for GraphQL, and the refusal describes the form', async () => {
      const { status, text } = await strict.client.raw('{ __typename }');
      expect([status, text]).toEqual([400, expect.stringContaining('8 to 128 letters, digits')]);
      expect(await ask({ 'x-request-id': 'comma,in-the-middle' })).toBe(400);
      expect(await ask({ 'x-request-id': 'trace-0123456789' })).toBe(200);
    });

    it('may come in the header of a tracing system', async () => {
      for (const header of ['traceparent', 'x-amzn-trace-id', 'x-cloud-trace-context']) {
        expect(await ask({ [header]: '105445aa7843bc8bf206b12000100000/1;o=1' })).toBe(200);
      }
    });

    it.each(['/health/live', '/health/ready', '/.well-known/jwks.json'])(
      'is not required for %s',
      async (path) => {
        expect((await get(path, {}, strict)).status).toBe(200);
      },
    );

    it('is not required for a preflight, whose headers a page cannot set', async () => {
      const preflight = await fetch(`${strict.url}/graphql`, {
        method: 'OPTIONS',
        headers: { origin: 'http://app.localhost:3000', 'access-control-request-method': 'POST' },
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get('access-control-allow-origin')).toBe('http://app.localhost:3000');
    });
  });
});

describe('the IP of the client', () => {
  const addressSeenBy = async (at: TestGateway, headers: Record<string, string>) => {
    const { data } = await (await at.aSubject()).login({ headers });
    return data && 'login' in data && 'session' in data.login ? data.login.session.ipAddress : undefined;
  };

  it('is that of the connection, whatever headers say', async () => {
    for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'cf-connecting-ip']) {
      expect(await addressSeenBy(gateway, { [name]: '203.0.113.7' })).toBe('127.0.0.1');
    }
  });

  it('is the last hop that a trusted proxy names', async () => {
    const proxied = await gateway.another({ TRUSTED_PROXIES: '127.0.0.0/8' });
    try {
      expect(await addressSeenBy(proxied, { 'x-forwarded-for': '198.51.100.1, 203.0.113.7' })).toBe(
        '203.0.113.7',
      );
    } finally {
      await proxied.close();
    }
  });
});

describe('the log', () => {
  it('has one JSON object a line, in UTC, with the request id', async () => {
    await get('/health/live', { 'x-request-id': 'trace-of-this-line' });
    const line = gateway.logLines.find((text) => text.includes('trace-of-this-line'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      time: expect.stringMatching(/Z$/),
      requestId: 'trace-of-this-line',
      method: 'GET',
      route: '/health/live',
      status: 200,
    });
  });

  it('grows by a few lines for a document full of errors', async () => {
    const before = gateway.logLines.join('').length;
    const aliases = Array.from({ length: 300 }, (_, index) => `alias${index}: me { id }`).join(' ');
    await gateway.client.post({ query: `query ${'n'.repeat(60_000)} { ${aliases} }` });
    expect(gateway.logLines.join('').length - before).toBeLessThan(2_000);
  });

  it('contains no sent data: no query, header, cookie, password or token', async () => {
    const alice = await gateway.aSubject({ password: 'marked-password-of-alice' });
    const browser = gateway.browser();
    const { accessToken, refreshToken } = await alice.signedIn({ client: browser });
    await alice.refresh(refreshToken);
    await alice.me(accessToken, browser);
    // A token in the URL does not authenticate either.
    const inAddress = await get(`/graphql?query={sessions{id}}&access_token=${accessToken}`, {
      'apollo-require-preflight': '1',
      'x-marked': 'marked-header',
    });
    expect(await inAddress.text()).toContain('"code":"UNAUTHENTICATED"');
    const log = gateway.logLines.join('');
    for (const secret of [
      'marked-password',
      accessToken,
      refreshToken,
      alice.email,
      'marked-header',
      'access_token',
    ]) {
      expect(log).not.toContain(secret);
    }
  });
});
