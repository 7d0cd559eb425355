/**
 * The client of deploy/walk and of tests/deploy/nginx.test.ts: signs in through a proxy with TLS, and kills one of the two
 * gateways behind it under load. Each check is a line; the last one counts them. Uses nothing but Node.
 *
 * The environment names the stack: `URL` (https origin), `PLAIN_URL` (http origin), `SUPERUSER` and `SUPERUSER_PASSWORD`,
 * `ELSEWHERE` (a command that runs this file from another address) and `ELSEWHERE_IP`, `KILL` and `STOP` (commands that kill
 * one gateway, and that stop and start one in order). `NODE_EXTRA_CA_CERTS` must name the certificate.
 *
 *     node deploy/walk.ts
 *     node deploy/walk.ts wrong-login URL USERNAME [LOCAL_ADDRESS]
 */
import { exec } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { request } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const CLIENTS = 12;
/** Milliseconds between two requests of one client. */
const EVERY = 40;
/** Milliseconds of load before and after a gateway is disturbed. */
const LOAD_BEFORE = 1_000;
const LOAD_AFTER = 3_000;

const LOGIN = `mutation ($input: LoginInput!) { login(input: $input) {
  ... on Authenticated { accessToken refreshToken } } }`;
const REGISTER = 'mutation ($input: RegisterInput!) { register(input: $input) { id } }';
const REFRESH = 'mutation ($token: String) { refresh(refreshToken: $token) { accessToken refreshToken } }';
const ME = '{ me { username } }';
const FAILED_LOGINS = `query ($userId: ID!) { auditEvents(filter: { userId: $userId, action: "login.failed" }) {
  nodes { ipAddress } } }`;
const FOLLOW = {
  query: 'subscription ($id: ID!) { blockpassSignIn(id: $id) { state } }',
  variables: { id: randomUUID() },
};

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: each caller knows the operation that it sent
  readonly data: any;
  readonly errors: readonly { message: string; extensions?: { code?: string } }[];
}

async function send(
  query: string,
  variables: object = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const reply = await fetch(`${setting('URL')}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors = [] } = (await reply.json()) as Answer;
  return { status: reply.status, headers: reply.headers, data, errors };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

let passed = 0;
let failed = 0;
function check(what: string, holds: boolean, seen: unknown = ''): void {
  if (holds) passed += 1;
  else failed += 1;
  process.stdout.write(
    `${holds ? 'ok     ' : 'FAILED '} ${what}${seen === '' ? '' : `: ${JSON.stringify(seen)}`}\n`,
  );
}

interface Session {
  accessToken: string;
  refreshToken: string;
}

interface Person {
  readonly id: string;
  readonly username: string;
  readonly password: string;
}

async function register(): Promise<Person> {
  const unique = randomBytes(6).toString('hex');
  const facts = { username: `walker-${unique}`, password: `velvet anchor ${randomBytes(8).toString('hex')}` };
  const { data, errors } = await send(REGISTER, { input: { ...facts, email: `${unique}@walk.example.org` } });
  if (!data?.register) throw new Error(`registration failed: ${JSON.stringify(errors)}`);
  return { id: data.register.id, ...facts };
}

const login = ({ username, password }: Pick<Person, 'username' | 'password'>, headers = {}) =>
  send(LOGIN, { input: { identifier: username, password } }, headers);

async function checkProtocol(): Promise<void> {
  const session = connect(setting('URL'));
  const stream = session.request({ ':path': '/health/ready' });
  const [head] = (await once(stream, 'response')) as [Record<string, string | number>];
  check('HTTP/2 is negotiated, and the gateway is ready', head[':status'] === 200, session.alpnProtocol);
  const hsts = String(head['strict-transport-security']);
  check('HSTS is sent once', /^max-age=\d{8}; includeSubDomains$/.test(hsts), hsts);
  session.close();
  const plain = await fetch(`${setting('PLAIN_URL')}/health/live`, { redirect: 'manual' });
  check(
    'plain http is redirected',
    plain.status === 308 && plain.headers.get('location')?.startsWith('https:') === true,
  );
}

async function checkSignIn(person: Person): Promise<void> {
  const { data, headers } = await login(person);
  const cookies = headers.getSetCookie();
  const areSafe = cookies.length > 0 && cookies.every((cookie) => /^__Host-.*; Secure/s.test(cookie));
  check('login sets cookies that are Secure and bound to the host', areSafe, cookies.length);
  const me = await send(ME, {}, bearer(data.login.accessToken));
  check('me answers by the access token', me.data?.me?.username === person.username);
  const jar = cookies.map((cookie) => cookie.split(';')[0]).join('; ');
  const byCookie = await send(ME, {}, { cookie: jar, origin: setting('URL') });
  check('me answers by the cookie', byCookie.data?.me?.username === person.username);
  const { data: refreshed } = await send(REFRESH, { token: data.login.refreshToken });
  check('refresh gives new tokens', typeof refreshed?.refresh?.refreshToken === 'string');
}

/** Without Blockpass no sign-in can be followed. So the answer is that there is none: it came over the subscription. */
async function checkSubscription(): Promise<void> {
  const socket = new WebSocket(`${setting('URL').replace('https', 'wss')}/graphql`, 'graphql-transport-ws');
  const say = (message: object) => socket.send(JSON.stringify(message));
  const answer = new Promise<{ id?: string; type: string }>((resolve) => {
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data));
      if (message.type === 'connection_ack') say({ id: 'walk', type: 'subscribe', payload: FOLLOW });
      else if (message.type !== 'ping') resolve(message);
    });
    socket.addEventListener('close', ({ code }) => resolve({ type: `closed ${code}` }));
  });
  socket.addEventListener('open', () => say({ type: 'connection_init' }));
  const seen = await Promise.race([answer, pause(5_000, { type: 'silence' })]);
  check('a subscription over a WebSocket is answered', 'id' in seen && seen.id === 'walk', seen);
  socket.close();
}

async function signIn(person: Person): Promise<Session> {
  const { data, errors } = await login(person);
  if (!data?.login) throw new Error(`login failed: ${JSON.stringify(errors)}`);
  return data.login;
}

async function checkClientIp(person: Person): Promise<void> {
  const run = promisify(exec);
  await run(setting('ELSEWHERE'), { env: { ...process.env, WALKER: person.username } });
  const { data } = await login({ username: setting('SUPERUSER'), password: setting('SUPERUSER_PASSWORD') });
  const audit = await send(FAILED_LOGINS, { userId: person.id }, bearer(data.login.accessToken));
  const events: { ipAddress: string }[] = audit.data?.auditEvents?.nodes ?? [];
  const isReal = events.length === 1 && events[0]?.ipAddress === setting('ELSEWHERE_IP');
  check('the audit event has the IP of the client, not that of nginx or a forged one', isReal, events);
}

/** A guess from another address, with a forged X-Forwarded-For. */
async function wrongLogin(url = '', username = '', localAddress?: string): Promise<void> {
  const input = { identifier: username, password: 'a wrong password' };
  const outgoing = request(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.7' },
    ...(localAddress && { localAddress }),
  });
  outgoing.end(JSON.stringify({ query: LOGIN, variables: { input } }));
  const [reply] = await once(outgoing, 'response');
  reply.resume();
}

/** Clients that refresh their own session again and again, and read their account, while something happens to a gateway. */
async function underLoad(what: string, sessions: readonly Session[], disturb: string): Promise<void> {
  const failures: string[] = [];
  let requests = 0;
  let longest = 0;
  let isOver = false;
  const attempt = async (query: string, variables: object, headers = {}) => {
    const startedAt = performance.now();
    requests += 1;
    const answer = await send(query, variables, headers).catch((error: Error) => error);
    longest = Math.max(longest, performance.now() - startedAt);
    if (!(answer instanceof Error) && answer.status === 200 && answer.errors.length === 0) return answer.data;
    failures.push(
      answer instanceof Error ? String(answer.cause) : `${answer.status} ${answer.errors[0]?.message}`,
    );
    return undefined;
  };
  const clients = sessions.map(async (session, index) => {
    for (let turn = index; !isOver; turn++) {
      await pause(EVERY);
      if (turn % 2 === 0) await attempt(ME, {}, bearer(session.accessToken));
      else Object.assign(session, (await attempt(REFRESH, { token: session.refreshToken }))?.refresh);
    }
  });
  await pause(LOAD_BEFORE);
  await promisify(exec)(disturb);
  await pause(LOAD_AFTER);
  isOver = true;
  await Promise.all(clients);
  const seen = { requests, failures: failures.length, longestMilliseconds: Math.round(longest) };
  check(what, requests > 100 && failures.length === 0, seen);
  for (const failure of new Set(failures)) process.stdout.write(`        ${failure}\n`);
}

async function walk(): Promise<void> {
  await checkProtocol();
  const people: Person[] = [];
  for (let count = 0; count < CLIENTS; count += 1) people.push(await register());
  const [first] = people as [Person];
  check('accounts are registered', people.length === CLIENTS);
  await checkSignIn(first);
  await checkSubscription();
  await checkClientIp(first);
  const sessions: Session[] = [];
  for (const person of people) sessions.push(await signIn(person));
  if (process.env.STOP)
    await underLoad('a gateway restarts in order under load: no request fails', sessions, process.env.STOP);
  await underLoad('a gateway is killed under load: no request fails', sessions, setting('KILL'));
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'wrong-login') await wrongLogin(...rest);
else await walk();
