/** @topology one: speaks HTTP, and worse, to one process */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { UpdateProfileDocument } from '../support/generated/operations.ts';
import { elapse, eventually } from '../support/race.ts';

let gateway: TestGateway;
let small: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
  small = await gateway.another({ MAX_CONNECTIONS: '10', MAX_CONNECTIONS_PER_CLIENT: '10' });
});
afterAll(async () => {
  await small.close();
  await gateway.close();
});

interface RawReply {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
  /** The statuses of all answers on the connection. The other fields are of the first answer. */
  readonly statuses: readonly number[];
  /** Milliseconds until the connection was closed. */
  readonly after: number;
}

/** Requests that fetch cannot send. With `clings` the client does not close a connection that was ended. */
const raw = (text: string, { at = gateway, drip = '', clings = false } = {}): Promise<RawReply> =>
  new Promise((resolve) => {
    const startedAt = performance.now();
    let answer = '';
    const address = { port: Number(new URL(at.url).port), host: '127.0.0.1', allowHalfOpen: clings };
    // The bytes as they are. UTF-8 would put another byte before a no-break space.
    const socket = connect(address, () => socket.write(text, 'latin1'));
    // Sends a byte now and then, like a client that wants to keep its place.
    const dripping = drip === '' ? undefined : setInterval(() => socket.write(drip), 500);
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(dripping);
      const [headers = '', body = ''] = answer.split('\r\n\r\n');
      const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => Number(code));
      const after = performance.now() - startedAt;
      resolve({ status: statuses[0] ?? 0, headers: headers.toLowerCase(), body, statuses, after });
    });
  });

/**
 * Clients that are disconnected after ten or thirty seconds. They start first, so that the other tests run
 * meanwhile.
 */
let slow: Readonly<Record<'silent' | 'headers' | 'body', Promise<RawReply>>>;
beforeAll(() => {
  const head =
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{';
  slow = {
    silent: raw(''),
    headers: raw('GET /health/live HTTP/1.1\r\nHost: x\r\n', { drip: 'X-A: b\r\n' }),
    body: raw(head, { drip: ' ' }),
  };
});

const isJsonError = ({ headers, body }: { headers: string; body: string }): void => {
  expect(headers).toMatch(/content-type: application\/json; charset=utf-8/);
  expect(headers).toMatch(/cache-control: no-store/);
  expect(headers).toMatch(/content-security-policy: default-src 'none';frame-ancestors 'none'/);
  expect(headers).toMatch(/x-content-type-options: nosniff/);
  expect(headers).toMatch(/referrer-policy: no-referrer/);
  expect(headers).toMatch(/cross-origin-resource-policy: same-origin/);
  const [error] = JSON.parse(body).errors;
  expect(error.extensions).toEqual({ code: expect.any(String), requestId: expect.any(String) });
  expect(headers).toContain(`x-request-id: ${error.extensions.requestId}`);
};

describe('a method that a route does not support', () => {
  it.each([
    ['/graphql', 'GET, HEAD, POST'],
    ['/health/live', 'GET, HEAD'],
    ['/health/ready', 'GET, HEAD'],
    ['/.well-known/jwks.json', 'GET, HEAD'],
    ['/graphiql', 'GET, HEAD'],
  ])('is answered with 405, the allowed methods of %s, and JSON', async (path, allow) => {
    for (const method of ['TRACE', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      const reply = await raw(
        `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Marked: secret\r\n\r\n`,
      );
      expect([method, reply.status]).toEqual([method, 405]);
      expect(reply.headers).toContain(`allow: ${allow.toLowerCase()}`);
      expect(reply.body).not.toContain('secret');
      isJsonError(reply);
    }
  });

  it('is answered with 404 when there is no such route', async () => {
    const reply = await raw('TRACE /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(reply.status).toBe(404);
    isJsonError(reply);
  });

  it('is refused for CONNECT, so that the gateway is not a proxy', async () => {
    const reply = await raw('CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n');
    expect(reply.status).toBe(405);
    isJsonError(reply);
  });
});

describe('a request with two credentials', () => {
  it.each([
    ['two Authorization headers', 'Authorization: Bearer x\r\nAuthorization: Bearer y\r\n'],
    ['two, one of another scheme', 'authorization: Basic eDp5\r\nAUTHORIZATION: Bearer y\r\n'],
    ['two cookies of one name', 'Cookie: gatehouse_access=x; gatehouse_access=y\r\n'],
  ])('is refused: %s', async (_, headers) => {
    for (const path of ['/graphql?query={__typename}', '/kyc/files/x/identity/selfie', '/health/live']) {
      const reply = await raw(
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nApollo-Require-Preflight: 1\r\n${headers}\r\n`,
      );
      expect(reply.status).toBe(400);
      expect(reply.body).toContain('A credential was sent twice.');
      isJsonError(reply);
    }
  });
});

describe('a cookie that only looks like a credential', () => {
  const lookAlikes = [
    ['a nameless cookie with the name as its value', 'gatehouse_access; '],
    ['a no-break space before the name', '\u00a0gatehouse_access=x; '],
    ['the name in the value of another cookie', 'theme=gatehouse_access; '],
    ['the name as the end of another name', 'old_gatehouse_access=x; '],
  ] as const;

  it.each(lookAlikes)('does not lock its browser out: %s', async (_, lookAlike) => {
    const alice = await gateway.aSubject();
    const cookie = `gatehouse_access=${(await alice.signedIn()).accessToken}`;
    for (const header of [`${lookAlike}${cookie}`, `${cookie}; ${lookAlike}`]) {
      const reply = await raw(
        `GET /graphql?query={me{username}} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nApollo-Require-Preflight: 1\r\nCookie: ${header}\r\n\r\n`,
      );
      expect(reply.body).toContain(alice.username);
    }
  });

  it.each(lookAlikes)('does not hide a second credential: %s', async (_, lookAlike) => {
    const reply = await raw(
      `GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: gatehouse_access=x; ${lookAlike}\tgatehouse_access =y\r\n\r\n`,
    );
    expect([reply.status, reply.body]).toEqual([
      400,
      expect.stringContaining('A credential was sent twice.'),
    ]);
  });
});

describe('a failed WebSocket handshake', () => {
  const handshake = (headers: string) =>
    `GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`;

  it.each([
    ['without a key', 'Sec-WebSocket-Version: 13\r\n'],
    ['of another version', `Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n`],
  ])('is answered as JSON with the supported version: %s', async (_, headers) => {
    const reply = await raw(handshake(headers));
    expect(reply.status).toBe(400);
    expect(reply.headers).toContain('sec-websocket-version: 13');
    isJsonError(reply);
  });

  it.each([
    ['a handshake', handshake('')],
    ['CONNECT', 'CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n'],
    ['what is not HTTP', 'nonsense\r\n\r\n'],
  ])('closes the connection after a second, even when the client does not: %s', async (_, text) => {
    const reply = await raw(text, { clings: true, drip: ' ' });
    isJsonError(reply);
    expect(reply.after).toBeLessThan(5_000);
  });
});

describe('an offer of another protocol', () => {
  it.each(['h2c', 'TLS/1.0', 'websocket2'])(
    'is ignored, and the request is answered: %s',
    async (protocol) => {
      const offer = `Host: localhost\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABk\r\n`;
      const get = await raw(`GET /health/live HTTP/1.1\r\n${offer}\r\n`);
      expect(get.status).toBe(200);
      const body = '{"query":"{ __typename }"}';
      const json = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
      const post = await raw(`POST /graphql HTTP/1.1\r\n${offer}${json}\r\n${body}`);
      expect(post.body).toBe('{"data":{"__typename":"Query"}}\n');
    },
  );
});

describe('a connection', () => {
  it('is closed after a thousand requests, so that a pipelining client cannot occupy the gateway', async () => {
    const one = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const last = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    const { statuses } = await raw(one.repeat(1_200) + last);
    expect(statuses).toEqual([...Array(1_000).fill(200), ...Array(201).fill(503)]);
  });
});

describe('a request that cannot be served is answered as JSON with a code and an id', () => {
  const post = (headers: string, body: string) =>
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const json = 'Content-Type: application/json\r\n';

  it.each([
    ['not HTTP', 'nonsense\r\n\r\n', 400],
    ['an unknown method', 'STEAL / HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 400],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['a header of 20 kB', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['two Hosts', 'GET /health/live HTTP/1.1\r\nHost: x\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    ['two Hosts in HTTP/1.0', 'GET /health/live HTTP/1.0\r\nhost: x\r\nHOST: y\r\n\r\n', 400],
    ['no Host', 'GET /graphql HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    [
      'a malformed Host',
      'GET /graphql?query={__typename} HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['a Host with a path', 'GET /graphql HTTP/1.1\r\nHost: x/y\r\nConnection: close\r\n\r\n', 400],
    [
      'a Host that is not a valid IP',
      'GET /graphql HTTP/1.1\r\nHost: 999.1.1.1\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['an expectation', 'GET /graphql HTTP/1.1\r\nHost: x\r\nExpect: the-worst\r\n\r\n', 417],
    ['a path that is not text', 'GET /%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    ['JSON that is cut off', post(json, '{"query": '), 400],
    ['no body', post(json, ''), 400],
    ['a compressed body', post(`${json}Content-Encoding: gzip\r\n`, 'xxxx'), 400],
    ['XML', post('Content-Type: text/xml\r\n', '<x/>'), 415],
    ['a body of 200 kB', post(json, JSON.stringify({ query: 'x'.repeat(200_000) })), 413],
    ['__proto__ in the body', post(json, '{"query":"{__typename}","__proto__":{"x":1}}'), 400],
    [
      'JSON 45,000 levels deep',
      post(json, `{"query":"{__typename}","variables":{"a":${'['.repeat(45_000)}${']'.repeat(45_000)}}}`),
      0,
    ],
  ])('%s', async (_, text, status) => {
    const reply = await raw(text);
    if (status === 0) expect([200, 400]).toContain(reply.status);
    else expect(reply.status).toBe(status);
    if (reply.status !== 200) isJsonError(reply);
    expect(reply.body).not.toMatch(/node_modules|at \w+ \(|\/src\/|fastify/i);
  });

  it('a target in absolute form is answered, whatever Host says', async () => {
    for (const host of ['localhost', 'other.example.test']) {
      const reply = await raw(
        `GET http://localhost/health/live HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      expect(reply.status).toBe(200);
    }
  });

  it('a probe of HTTP/1.0 needs no Host', async () => {
    expect((await raw('GET /health/live HTTP/1.0\r\n\r\n')).status).toBe(200);
  });
});

describe('a refusal before the end of the body', () => {
  it('reaches a client that goes on to send', async () => {
    const socket = connect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1' });
    const errors: Error[] = [];
    socket.on('error', (error) => errors.push(error));
    // A client that sends everything before it reads.
    socket.pause();
    const requestId = 'sends-before-it-reads';
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Id: ${requestId}\r\n` +
        'Content-Length: 10000000\r\n\r\n',
    );
    await eventually(
      async () => gateway.logLines,
      (lines) => lines.some((line) => line.includes(requestId)),
    );
    for (let sent = 0; sent < 5; sent += 1) {
      socket.write(Buffer.alloc(65_536, ' '));
      await elapse(50, 'a reset by the gateway needs time to arrive');
    }
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(errors).toEqual([]);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('disconnects a client that never closes, after two seconds', async () => {
    const head =
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n';
    const { status, after } = await raw(head, { drip: ' ', clings: true });
    expect(status).toBe(413);
    expect(after).toBeLessThan(10_000);
  });
});

describe('a slow client', () => {
  it.each([
    ['/graphql', 'text/xml', 415],
    ['/blockpass/api/status', 'multipart/form-data; boundary=X1', 400],
    ['/blockpass/api/uploadData', 'multipart/form-data', 400],
  ])(
    'is disconnected a second after the answer when it still sends a body to %s',
    async (path, type, status) => {
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: ${type}\r\n\r\n`;
      const reply = await raw(head, { drip: '1\r\nx\r\n' });
      expect(reply.status).toBe(status);
      expect(reply.after).toBeLessThan(5_000);
    },
  );

  it('is disconnected after ten seconds when it sends no headers, or sends them byte by byte', async () => {
    for (const reply of await Promise.all([slow.silent, slow.headers])) {
      expect(reply.after).toBeGreaterThan(9_000);
      expect(reply.after).toBeLessThan(15_000);
      expect(reply.status).toBe(408);
      isJsonError(reply);
    }
  });
});

describe('connections', () => {
  it('beyond MAX_CONNECTIONS are closed, and the open ones stay', async () => {
    const port = Number(new URL(small.url).port);
    const open = await Promise.all(
      Array.from(
        { length: 10 },
        () =>
          new Promise<ReturnType<typeof connect>>((resolve) => {
            const socket = connect(port, '127.0.0.1', () => resolve(socket));
            socket.on('error', () => {});
          }),
      ),
    );
    const get = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    expect((await raw(get, { at: small })).status).toBe(0);
    open[0]?.destroy();
    await eventually(
      () => raw(get, { at: small }),
      ({ status }) => status === 200,
    );
    for (const socket of open) socket.destroy();
  });
});

describe('an operation', () => {
  it('is ended after ten seconds with 503, changes nothing, and does not continue in the background', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const blocker = await gateway.database.connect();
    await blocker.query('begin');
    await blocker.query('select from users where id = $1 for update', [alice.id]);
    try {
      const startedAt = performance.now();
      // Each one would wait three seconds for the lock.
      const document = `mutation { ${[1, 2, 3, 4, 5].map((i) => `m${i}: updateProfile(input: { displayName: "${i}" }) { id }`).join(' ')} }`;
      const reply = await gateway.client.raw(document, {}, { bearer: accessToken });
      const took = performance.now() - startedAt;
      expect([reply.status, reply.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      expect(took).toBeLessThan(13_500);
      expect(await gateway.database.lockWaiters()).toBe(0);
    } finally {
      await blocker.query('rollback');
      await blocker.end();
    }
    const { data } = await gateway.client.execute(
      UpdateProfileDocument,
      { input: { displayName: 'free again' } },
      { bearer: accessToken },
    );
    expect(data?.updateProfile.displayName).toBe('free again');
  });
});

describe('a slow body', () => {
  it('is disconnected after thirty seconds, even when bytes keep arriving', async () => {
    const reply = await slow.body;
    expect(reply.after).toBeGreaterThan(29_000);
    expect(reply.after).toBeLessThan(36_000);
    expect(reply.status).toBe(408);
    isJsonError(reply);
  });
});
